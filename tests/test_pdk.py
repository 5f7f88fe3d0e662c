"""A process read from TOML: what extends it, what contradicts itself, and the numbers that follow from it."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import klayout.db as kdb
import pytest

from layoutgen import discover
from layoutgen.errors import PdkError, UnknownNameError
from layoutgen.pdk import Cut, Mask, Pdk, read

# a whole process, small; None of its numbers is another's
TINY = """
name = "tiny"
title = "Tiny"
source = "nowhere"
[layers]
pad = { gds = [1, 0], title = "Pad" }
hole = { gds = [2, 0], title = "Hole", drawn = "opening" }
wire = { gds = [3, 0], title = "Wire", drawn = "remaining" }
tie = { gds = [3, 1], title = "Tie", drawn = "remaining" }
[reserved]
die = { gds = [200, 0], title = "Die" }
[derived]
metal = { expression = "wire | tie" }
all = { expression = "metal | pad" }
foot = { expression = "size(hole, level.polymer.flare)" }
toe = { expression = "size(foot, 1.0) | tie", gds = [30, 0] }
[roles]
metal = "wire"
tie = "tie"
opening = "hole"
foot = "foot"
[stack]
polymer = { thickness = 7.0, flare = 2.0, kind = "soft", on = true }
[cut]
kerf_min = 55.0
kerf_max = 65.0
tolerance = 5.0
chipping = 10.0
[flows.one]
title = "One"
current = "none"
stages = ["chip"]
draws = ["wire"]
[connect]
metal = "tie | wire"
pad = ["pad"]
ball = ["hole"]

[masks.H]
data = "hole"
gds = [1, 0]
title = "Hole"
drawn = "opening"
resist = "negative"
transfer = "photo-polymer"
aligns_to = "incoming"
marks = "hole"
[masks.W]
data = "metal"
gds = [2, 0]
title = "Wire"
drawn = "remaining"
resist = "positive"
transfer = "plate-through"
aligns_to = "H"
marks = "wire"
flows = ["one"]
[rules."W.1"]
check = "width"
layers = ["metal"]
limit = 10.0
why = "w"
source = "s"
[rules."W.2"]
check = "width"
layers = ["wire"]
limit = 12.0
why = "w"
source = "s"
[rules."E.1"]
check = "enclosure"
layers = ["hole", "metal"]
limit = 3.0
why = "w"
source = "s"
[rules."E.2"]
check = "enclosure"
layers = ["hole", "all"]
limit = 4.0
why = "w"
source = "s"
[rules."E.3"]
check = "enclosure"
layers = ["wire", "hole"]
limit = 99.0
why = "w"
source = "s"
[rules."I.1"]
check = "inside"
layers = ["tie", "die"]
why = "w"
source = "s"
"""


def folder(where: Path, name: str, text: str) -> Path:
    path = where / name
    path.mkdir()
    (path / "pdk.toml").write_text(text, "utf-8")
    return path


def load(where: Path, text: str = TINY) -> Pdk:
    return read(folder(where, "tiny", text), lambda name: where / name)


@pytest.fixture
def tiny(tmp_path: Path) -> Pdk:
    return load(tmp_path)


# tone ---------------------------------------------------------------------------------------------------------------
# By hand. A positive resist leaves where light falls, a negative one stays there. Etch: the film stays below resist.
# Plate-through: metal grows where no resist is. Photo-polymer: the resist itself stays on the wafer.

CLEAR, DARK = "digitized data clear", "digitized data dark"
TONES = [
    # an opening etched into a film: no resist over it
    ("opening", "positive", "etch", CLEAR),  # light falls on the opening, resist leaves it
    ("opening", "negative", "etch", DARK),  # light falls all around, resist stays there
    # a line etched free: resist over it
    ("remaining", "positive", "etch", DARK),  # light falls all around, resist leaves it
    ("remaining", "negative", "etch", CLEAR),  # light falls on the line, resist stays there
    # an opening in plated metal: a resist post where no metal shall grow
    ("opening", "positive", "plate-through", DARK),  # light falls all around, the post stays
    ("opening", "negative", "plate-through", CLEAR),  # light hardens the post
    # a plated line: a trench in the resist
    ("remaining", "positive", "plate-through", CLEAR),  # light falls on the trench, resist leaves it
    ("remaining", "negative", "plate-through", DARK),  # light hardens all but the trench
    # an opening in a photo-polymer
    ("opening", "positive", "photo-polymer", CLEAR),  # light falls on the opening, polymer leaves it
    ("opening", "negative", "photo-polymer", DARK),  # light hardens all but the opening
    # an island of photo-polymer
    ("remaining", "positive", "photo-polymer", DARK),  # light falls all around, the island stays
    ("remaining", "negative", "photo-polymer", CLEAR),  # light hardens the island
]


@pytest.mark.parametrize(("drawn", "resist", "transfer", "tone"), TONES)
def test_tone(tiny: Pdk, drawn: str, resist: str, transfer: str, tone: str) -> None:
    raw = tiny.masks["H"].model_dump() | {"drawn": drawn, "resist": resist, "transfer": transfer}
    assert Mask.model_validate(raw).tone == tone


def test_the_tone_table_names_every_combination_once() -> None:
    assert len({t[:3] for t in TONES}) == len(TONES) == 2 * 2 * 3


@pytest.mark.parametrize(
    ("pdk", "tones"),
    [
        (
            "post",
            {
                "PI": DARK,
                "RDL": CLEAR,
                "VIA": DARK,
                "VIAP": CLEAR,
                "VIAH": CLEAR,
                "STUD": DARK,
                "PILLAR": CLEAR,
                "SOLDER": CLEAR,
            },
        ),
        ("wlcsp_500", {"PI1": DARK, "RDL": CLEAR, "PI2": DARK, "UBM": CLEAR}),
        ("wlcsp_400", {"PI1": DARK, "RDL": CLEAR, "PI2": DARK, "UBM": CLEAR}),
        ("wlcsp_500_2m", {"PI1": DARK, "RDL": CLEAR, "ILD": DARK, "RDL2": CLEAR, "PI2": DARK, "UBM": CLEAR}),
    ],
)
def test_tones_of_the_processes_that_ship(pdk: str, tones: dict[str, str]) -> None:
    assert {name: mask.tone for name, mask in discover.pdk(pdk).masks.items()} == tones


# extends ------------------------------------------------------------------------------------------------------------


def dump(pdk: Pdk) -> dict[str, Any]:
    return pdk.model_dump()


def test_extends_takes_all_of_the_other_but_what_differs(tmp_path: Path, tiny: Pdk) -> None:
    text = """
extends = "tiny"
name = "other"
[layers]
wire = { title = "Other wire" }
extra = { gds = [9, 0], title = "Extra" }
[rules."W.1"]
limit = 11.0
[flows.one]
draws = ["tie"]
"""
    other = read(folder(tmp_path, "other", text), lambda name: tmp_path / name)
    expected = deepcopy(dump(tiny))
    expected |= {"extends": "tiny", "name": "other"}
    expected["layers"]["wire"]["title"] = "Other wire"
    expected["layers"]["extra"] = {"gds": (9, 0), "drawn": None, "title": "Extra", "color": "#808080", "shown": True}
    expected["rules"]["W.1"]["limit"] = 11.0
    expected["flows"]["one"]["draws"] = ("tie",)
    assert dump(other) == expected


def test_extends_reaches_through_several(tmp_path: Path, tiny: Pdk) -> None:
    folder(tmp_path, "b", 'extends = "tiny"\nname = "b"\ntitle = "B"\n[cut]\ntolerance = 4.0\n')
    c = folder(tmp_path, "c", 'extends = "b"\nname = "c"\n[cut]\nkerf_min = 50.0\n')
    found = read(c, lambda name: tmp_path / name)
    assert (found.name, found.title, found.source) == ("c", "B", tiny.source)
    assert found.cut == Cut(kerf_min=50.0, kerf_max=65.0, tolerance=4.0, chipping=10.0)


def test_a_new_entry_stands_after_the_one_that_it_follows(tmp_path: Path, tiny: Pdk) -> None:
    mask = """
data = "wire"
gds = [{}, 0]
title = "New"
drawn = "remaining"
resist = "positive"
transfer = "etch"
aligns_to = "{}"
marks = "wire"
"""
    added = "".join(f"[masks.{n}]{mask.format(g, to)}" for n, g, to in (("X", 7, "H"), ("Y", 8, "X")))
    text = f'extends = "tiny"\nname = "other"\n[stack]\nlast = {{ thickness = 1.0 }}\n[masks.H]\n{added}'
    other = read(folder(tmp_path, "other", text), lambda name: tmp_path / name)
    assert list(other.masks) == ["H", "X", "Y", "W"]  # though W stands before X and Y in what is extended
    assert list(other.stack) == ["polymer", "last"]
    assert other.masks["H"] == tiny.masks["H"]


def test_the_400_um_process_is_the_500_um_one_but_for_what_it_says() -> None:
    old, new = dump(discover.pdk("wlcsp_500")), dump(discover.pdk("wlcsp_400"))
    changed = {key for key in old if old[key] != new[key]}
    assert changed == {"name", "title", "extends", "cells", "rules"}
    assert {r for r in old["rules"] if old["rules"][r] != new["rules"][r]} == {
        "PI2.W.1", "UBM.W.1", "UBM.D.2", "BALL.W.1", "BALL.O.1", "BALL.P.1"
    }  # fmt: skip
    assert {c for c in old["cells"] if old["cells"][c] != new["cells"][c]} == {"rdl.wire"}
    assert new["cells"]["rdl.wire"] == {"width": 20.0, "space": 15.0, "length": 500.0}


def test_a_circle_of_extends_is_refused(tmp_path: Path) -> None:
    a = folder(tmp_path, "a", 'extends = "b"\n')
    folder(tmp_path, "b", 'extends = "a"\n')
    with pytest.raises(PdkError, match=r"extends: this PDK extends itself; break the circle$"):
        read(a, lambda name: tmp_path / name)


def test_extending_what_is_not_there_names_the_file(tmp_path: Path) -> None:
    a = folder(tmp_path, "a", 'extends = "wlcsp_50"\n')
    with pytest.raises(PdkError, match=r"a/pdk.toml: extends: no PDK 'wlcsp_50'; did you mean 'wlcsp_500'\?$"):
        read(a, discover.pdk_folder)


# contradictions -----------------------------------------------------------------------------------------------------

WRONG = [
    ('gds = [3, 1], title = "Tie"', 'gds = [3, 0], title = "Tie"', "tie.gds: GDS number 3/0 is 'wire' already"),
    ("gds = [30, 0]", "gds = [200, 0]", "toe.gds: GDS number 200/0 is 'die' already"),
    ("[reserved]\n", '[reserved]\npad = { gds = [9, 9], title = "P" }\n',
     "reserved.pad: there is a drawn layer of the same name"),
    ("[derived]\n", '[derived]\nhole = { expression = "wire" }\n',
     "derived.hole: there is a drawn layer of the same name"),
    ("[derived]\n", '[derived]\ndie = { expression = "wire" }\n',
     "derived.die: there is a drawn layer of the same name"),
    ('"wire | tie"', '"wire | ties"', "derived.metal: no layer 'ties'; did you mean 'tie'?"),
    ('"wire | tie"', '"wire + tie"',
     "derived.metal: 'wire + tie' in 'wire + tie' is no layer, no | & - ^, no size(layer, um)"),
    ('"wire | tie"', '"wire | "', "derived.metal: 'wire | ' is not an expression; write for example 'rdl | rdl_tie'"),
    ("level.polymer.flare", "level.polymer.flair",
     "derived.foot: no number 'level.polymer.flair' in PDK 'tiny'; did you mean 'level.polymer.flare'?"),
    ("level.polymer.flare", "level.polymer.kind",
     "derived.foot: no number 'level.polymer.kind' in PDK 'tiny'; did you mean 'level.polymer.thickness'?"),
    ("level.polymer.flare", "1 / 0", "derived.foot: '1 / 0' in 'size(hole, 1 / 0)' has no finite value"),
    ('"wire | tie"', '"metal | tie"', "derived.metal: is made of itself; break the circle"),
    ('"wire | tie"', '"wire | all"', "derived.metal: is made of itself; break the circle"),
    ('[roles]\nmetal = "wire"', '[roles]\nmetal = "wires"', "roles.metal: no layer 'wires'; did you mean 'wire'?"),
    ('metal = "tie | wire"', 'metal = "wire | tei"', "connect.metal: no layer 'tei'; did you mean 'toe'?"),
    ('ball = ["hole"]', 'ball = ["holes"]', "connect: no layer 'holes'; did you mean 'hole'?"),
    ('ball = ["hole"]', 'ball = ["hole"]\nmetal_2 = "wire & foo"\nvia_2 = "hole"',
     "connect.metal_2: no layer 'foo'; did you mean 'foot'?"),
    ('data = "hole"', 'data = "hoole"', "masks.H.data: no layer 'hoole'; did you mean 'hole'?"),
    ('marks = "hole"', 'marks = "metal"', "masks.H.marks: no layer 'metal'; known: hole, pad, tie, wire"),
    ('marks = "hole"', 'marks = "die"', "masks.H.marks: no layer 'die'; did you mean 'tie'?"),
    ('aligns_to = "H"', 'aligns_to = "W"', "masks.W.aligns_to: no earlier mask 'W'; known: H, incoming"),
    ('aligns_to = "incoming"', 'aligns_to = "X"', "masks.H.aligns_to: no earlier mask 'X'; known: incoming"),
    ('marks = "wire"\nflows = ["one"]', 'marks = "wire"\nflows = ["ones"]',
     "masks.W.flows: no flow 'ones'; did you mean 'one'?"),
    ('layers = ["tie", "die"]', 'layers = ["tie", "dice"]', "rules.I.1.layers: no layer 'dice'; did you mean 'die'?"),
    ('check = "inside"', 'check = "inside"\nflows = ["two"]', "rules.I.1.flows: no flow 'two'; known: one"),
    ('draws = ["wire"]', 'draws = ["wirre"]', "flows.one.draws: no layer 'wirre'; did you mean 'wire'?"),
    ("kerf_max = 65.0", "kerf_max = 54.0", "cut: kerf_min must not exceed kerf_max, and must exceed 2 * tolerance"),
    ("tolerance = 5.0", "tolerance = 27.5", "cut: kerf_min must not exceed kerf_max, and must exceed 2 * tolerance"),
    ("tolerance = 5.0", 'tolerance = 5.0\nties_avoid = ["pads"]',
     "cut.ties_avoid: no layer 'pads'; did you mean 'pad'?"),
    ("tolerance = 5.0", 'tolerance = 5.0\nbares = "hole | wires"', "cut.bares: no layer 'wires'; did you mean 'wire'?"),
    ("tolerance = 5.0", "tolerance = 5.0\nmargin = 1.0", "cut.margin: needs bares, what is open in the dielectric"),
    ("tolerance = 5.0", "tolerance = 5.0\nburr = 1.0", "cut.burr: needs clearance, how far cut ends must stay apart"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "message"), WRONG, ids=[f"{i}-{w[2][:30]}" for i, w in enumerate(WRONG)])
def test_a_contradiction_is_said_with_its_place(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert TINY.count(old) == 1
    with pytest.raises(PdkError) as e:
        load(tmp_path, TINY.replace(old, new))
    file = tmp_path / "tiny" / "pdk.toml"
    assert f"{file}: {message}" in str(e.value).splitlines()
    assert all(p.file == str(file) for p in e.value.problems)


def test_all_contradictions_are_said_at_once(tmp_path: Path) -> None:
    text = TINY.replace('draws = ["wire"]', 'draws = ["x1"]').replace('marks = "hole"', 'marks = "x2"')
    with pytest.raises(PdkError) as e:
        load(tmp_path, text.replace('metal = "wire"', 'metal = "x3"'))
    assert [p.place for p in e.value.problems] == ["roles.metal", "masks.H.marks", "flows.one.draws"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("kerf_min = 55.0", "kerf_min = 0.0", "cut.kerf_min: must be greater than 0, not 0.0"),
        ("kerf_min = 55.0", "kerf_min = nan", "cut.kerf_min: must be a finite number, not nan"),
        ("kerf_min = 55.0", "kerf_min = true", "cut.kerf_min: must be a number of um, not True"),
        ("tolerance = 5.0", "tolerance = -1.0", "cut.tolerance: must be at least 0, not -1.0"),
        ("tolerance = 5.0", "tolerance = 5.0\nburr = -1.0", "cut.burr: must be at least 0, not -1.0"),
        ("tolerance = 5.0", "tolerance = 5.0\nclearance = 0.0", "cut.clearance: must be greater than 0, not 0.0"),
        ("limit = 3.0", "limit = inf", "rules.E.1.limit: must be a finite number, not inf"),
        ('resist = "positive"', 'resist = "Positive"', "masks.W.resist: must be 'positive', 'negative' or 'none'"),
        ('current = "none"', 'currant = "none"', "flows.one.currant: unknown key; did you mean 'current'?"),
        ('name = "tiny"', 'name = "Tiny!"', "name: "),
    ],
)
def test_a_wrong_value_is_said_with_its_place(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(PdkError) as e:
        load(tmp_path, TINY.replace(old, new, 1))
    assert message in str(e.value)


@pytest.mark.parametrize("name", ["post", "wlcsp_400", "wlcsp_500", "wlcsp_500_2m"])
def test_the_processes_that_ship_are_found_by_their_names(name: str) -> None:
    assert discover.pdk(name).name == name


# numbers ------------------------------------------------------------------------------------------------------------


def test_cut(tiny: Pdk) -> None:
    assert tiny.cut is not None
    assert tiny.cut.removed == 55.0 / 2 - 5.0 == 22.5
    assert tiny.cut.touched == 65.0 / 2 + 5.0 + 10.0 == 47.5


@pytest.mark.parametrize(("pdk", "removed", "touched"), [("post", 22.5, 47.5), ("wlcsp_500", 11.0, 36.0)])
def test_cuts_of_the_processes_that_ship(pdk: str, removed: float, touched: float) -> None:
    cut = discover.pdk(pdk).cut
    assert cut is not None
    assert (cut.removed, cut.touched) == (removed, touched)


def test_the_strictest_limit_counts_and_a_rule_on_a_union_binds_each_part(tiny: Pdk) -> None:
    assert tiny.limit("width", "wire") == 12.0  # W.2 is stricter than W.1, which binds it through `metal`
    assert tiny.limit("width", "tie") == 10.0
    assert tiny.limit("width", "metal") == 10.0  # a rule on a part does not bind the whole
    assert tiny.enclosure(of="opening", by="metal") == 4.0  # through two unions
    assert tiny.enclosure(of="opening", by="tie") == 4.0
    assert tiny.limit("enclosure", "hole", "pad") == 4.0
    assert tiny.limit("enclosure", "wire", "hole") == 99.0  # the order counts


@pytest.mark.parametrize(
    ("check", "layers", "message"),
    [
        ("width", ("hole",), "no width rule in PDK 'tiny' for 'hole'"),
        ("width", ("foot",), "no width rule in PDK 'tiny' for 'foot'"),
        ("space", ("wire",), "no space rule in PDK 'tiny' for 'wire'"),
        ("enclosure", ("tie", "hole"), "no enclosure rule in PDK 'tiny' for 'tie in hole'"),
        ("width", ("wire", "tie"), "no width rule in PDK 'tiny' for 'wire in tie'"),
        ("inside", ("tie", "die"), "no inside rule in PDK 'tiny' for 'tie in die'"),  # it has no limit
    ],
)
def test_no_limit_is_an_error_never_zero(tiny: Pdk, check: str, layers: tuple[str, ...], message: str) -> None:
    with pytest.raises(UnknownNameError, match=f"^{message}$"):
        tiny.limit(check, *layers)


def test_numbers_of_the_stack(tiny: Pdk) -> None:
    assert tiny.number("level.polymer.flare") == 2.0
    assert tiny.number("level.polymer.thickness") == 7.0
    for path in ("level.polymer.kind", "level.polymer.on", "level.polymer", "level.x.flare", "polymer.flare", "",
                 "level.polymer.material", "level.polymer.flare.x"):  # fmt: skip
        with pytest.raises(UnknownNameError, match=r"^no number .* in PDK 'tiny'"):
            tiny.number(path)


def test_reach_and_growth_add_up_through_derived_layers(tiny: Pdk) -> None:
    assert (tiny.reach("wire"), tiny.growth("wire")) == (0.0, 0.0)
    assert (tiny.reach("all"), tiny.growth("all")) == (0.0, 0.0)
    assert (tiny.reach("foot"), tiny.growth("foot")) == (pytest.approx(2.84), 2.0)
    assert (tiny.reach("toe"), tiny.growth("toe")) == (pytest.approx(4.26), 3.0)


def test_sources_gds_and_region_of_derived_layers(tiny: Pdk) -> None:
    assert tiny.sources("all") == ("wire", "tie", "pad")
    assert tiny.sources("toe") == ("hole", "tie")
    assert tiny.sources("die") == ("die",)
    assert (tiny.gds("die"), tiny.gds("toe")) == ((200, 0), (30, 0))
    shapes = {"hole": kdb.Region(kdb.Box(0, 0, 10, 10)), "tie": kdb.Region(kdb.Box(50_000, 0, 50_010, 10))}
    expected = kdb.Region(kdb.Box(-3_000, -3_000, 3_010, 3_010)) + shapes["tie"]
    assert (tiny.region("toe", shapes.__getitem__) ^ expected).is_empty()


def test_names_that_lead_nowhere_are_refused(tiny: Pdk) -> None:
    with pytest.raises(UnknownNameError, match=r"^no role 'metall' in PDK 'tiny'; did you mean 'metal'\?$"):
        tiny.role("metall")
    with pytest.raises(UnknownNameError, match=r"^no layer with a GDS number 'foot' in PDK 'tiny'"):
        tiny.gds("foot")
    with pytest.raises(UnknownNameError, match=r"^no layer 'foots' in PDK 'tiny'; did you mean 'foot'\?$"):
        tiny.sources("foots")
    with pytest.raises(UnknownNameError, match=r"^no flow 'two' in PDK 'tiny'; known: one$"):
        tiny.flow("two")


def test_without_a_name_only_the_only_flow_is_taken(tmp_path: Path, tiny: Pdk) -> None:
    assert tiny.flow()[0] == "one"
    two = tiny.model_copy(update={"flows": {**tiny.flows, "two": tiny.flows["one"]}})
    assert two.flow("two")[0] == "two"
    with pytest.raises(UnknownNameError, match=r"known: one, two"):
        two.flow()


def test_masks_of_a_flow_in_the_order_they_print(tiny: Pdk) -> None:
    assert list(tiny.masks_of("one")) == ["H", "W"]
    assert list(tiny.masks_of("another")) == ["H"]
