"""Decks for KLayout's DRC: KLayout's application finds with them what `layoutgen drc` finds, and nothing in them runs
that is not meant to.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias
from xml.etree import ElementTree

import corpus
import klayout.db as kdb
import klayout.rdb as rdb
import pytest
import rule_cases
from rule_cases import PDKS

from layoutgen import checked, derive
from layoutgen.cli import doctor
from layoutgen.cli import run as run_command
from layoutgen.drc import deck
from layoutgen.drc import run as drc_run
from layoutgen.drc.checks import KINDS, task
from layoutgen.drc.flat import Flat
from layoutgen.errors import printable
from layoutgen.findings import Finding, Status
from layoutgen.pdk import Derived, Pdk
from layoutgen.units import DBU

KLAYOUT = shutil.which("klayout")
RUBY = shutil.which("ruby")
APART = 500_000
"""Between layouts side by side, in database units: further than any rule of the tests looks."""
LATTICE = 100_000
"""A multiple of all grids and windows of the rules, so that a layout may be moved."""
Marker: TypeAlias = tuple[int, str, bool]
"""Where it begins in x (dbu); how it is written: its edges, whichever way they run, or its polygon; and whether it is
of an edge and a single point."""
FACETS: deck.Version = (0, 30, 5)
"""From this version on KLayout is known to measure straight across between slanted edges to the database unit: 0.30.1
and before, a circle exactly at the limit may break the rule."""
CORNERS: deck.Version = (0, 28, 17)
"""From this version on KLayout is known to mark flush edges also by the single points in which they meet others at a
corner of 135 degrees; 0.28.5 marks the flush edges alone."""
needs_klayout = pytest.mark.skipif(KLAYOUT is None, reason="KLayout's application is not installed")


def run(script: Path, layout: Path, report: Path, *more: str) -> subprocess.CompletedProcess[str]:
    assert KLAYOUT is not None
    command = [KLAYOUT, "-b", "-r", str(script), "-rd", f"input={layout}", "-rd", f"report={report}", *more]
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    return subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment, check=False)


# ------------------------------------------------------------------ layouts


def beside(top: dict[str, kdb.Region], x: int, layout: dict[str, kdb.Region]) -> int:
    """Put a layout at x or further right; where the next may begin."""
    box = sum((region.bbox() for region in layout.values()), kdb.Box())
    if box.empty():
        return x
    by = kdb.Vector(-(-(x - box.left) // LATTICE) * LATTICE, 0)
    for name, region in layout.items():
        top.setdefault(name, kdb.Region()).insert(region.moved(by))
    return box.right + by.x + APART


def cases(pdk: Pdk) -> Iterator[tuple[str, str, str, dict[str, kdb.Region]]]:
    """Rule, verdict, name and layers of each case: shapes at the rule's limit and one unit to either side of it."""
    for name, rule in pdk.rules.items():
        for verdict, case in rule_cases.cases_of(pdk, name):
            if flow_of(pdk.name) in (rule.flows or pdk.flows):
                yield name, verdict, case["name"], rule_cases.drawn(pdk, name, case)


def random_layouts(pdk: Pdk, number: int) -> Iterator[dict[str, kdb.Region]]:
    """Layouts of edges at multiples of 45 degrees, each drawn on other layers of the process."""
    rng = random.Random(f"{pdk.name} 5")  # noqa: S311  no secret
    for _ in range(number):
        layout = corpus.layout(rng, slanted=False)
        names = dict(zip(("rdl", "tie", "via"), rng.sample(sorted(pdk.layers), 3), strict=True)) | {"die": "die"}
        (top,) = layout.top_cells()
        regions: dict[str, kdb.Region] = {}
        for old, new in names.items():
            regions[new] = kdb.Region(top.begin_shapes_rec(layout.layer(*corpus.LAYERS[old])))
        yield regions


def on_reserved_layers(pdk: Pdk) -> dict[str, kdb.Region]:
    """Something on each reserved layer and on each that flows draw: without, rules on others of them would not run."""
    names = {*pdk.reserved} | {name for flow in pdk.flows.values() for name in flow.draws if name in pdk.drawn_layers}
    return {name: kdb.Region(kdb.Box(0, 0, 90_000 + 1_000 * i, 90_000)) for i, name in enumerate(sorted(names))}


def is_slanted(layout: dict[str, kdb.Region]) -> bool:
    """Whether an edge runs at another angle than multiples of 45 degrees, as a circle's do."""
    edges = sum((region.edges() for region in layout.values()), kdb.Edges())
    return not edges.with_angle(kdb.Edges.OrthoDiagonalEdges, True).is_empty()


def drawn(pdk: Pdk) -> tuple[dict[str, kdb.Region], int, list[tuple[str, str, bool, int, int]]]:
    """All layouts side by side; where those with slanted edges begin; and of each of these its rule, name, whether it
    breaks the rule, and between which x it lies.
    """
    top: dict[str, kdb.Region] = {}
    x = 0
    slanted = []
    for layout in (*random_layouts(pdk, 8), on_reserved_layers(pdk)):
        x = beside(top, x, layout)
    for rule, verdict, case, layout in cases(pdk):
        if is_slanted(layout):
            slanted.append((rule, verdict, case, layout))
        else:
            x = beside(top, x, layout)
    begin, places = x, []
    for rule, verdict, case, layout in slanted:
        left, x = x, beside(top, x, layout)
        places.append((rule, case, verdict == "fail", left - APART // 2, x - APART // 2))
    return top, begin - APART // 2, places


def write(pdk: Pdk, regions: dict[str, kdb.Region], path: Path) -> None:
    layout = kdb.Layout()
    layout.dbu = DBU
    cell = layout.create_cell("TOP")
    for name, region in regions.items():
        cell.shapes(layout.layer(*pdk.gds(name))).insert(region)
    layout.write(str(path))


# ------------------------------------------------------------------ markers


def of_edges(edges: Iterable[kdb.Edge]) -> Marker:
    ends = sorted({tuple(sorted([(e.x1, e.y1), (e.x2, e.y2)])) for e in edges})
    return min(x for pair in ends for x, _ in pair), str(ends), len(ends) == 2 and any(a == b for a, b in ends)


def of_polygon(shape: kdb.Polygon) -> Marker:
    """Without holes and without points on a line."""
    return shape.bbox().left, str(kdb.Polygon(list(shape.resolved_holes().each_point_hull()))), False


def of_findings(findings: Iterable[Finding]) -> set[Marker]:
    out = set()
    for f in findings:
        if f.polygon:
            out.add(of_polygon(kdb.Polygon([kdb.Point(x, y) for x, y in f.polygon])))
        else:
            out.add(of_edges(kdb.Edge(*e) for e in f.edges))
    return out


def of_category(database: rdb.ReportDatabase, category: rdb.RdbCategory) -> set[Marker]:
    out = set()
    for item in database.each_item_per_category(category.rdb_id()):
        for value in item.each_value():
            if value.is_edge_pair():
                pair = value.edge_pair().to_itype(DBU)
                out.add(of_edges([pair.first, pair.second]))
            elif value.is_edge():
                out.add(of_edges([value.edge().to_itype(DBU)]))
            else:
                assert value.is_polygon(), value
                out.add(of_polygon(value.polygon().to_itype(DBU)))
    return out


def by_rule(report: Path) -> dict[str, tuple[str, set[Marker]]]:
    """Each category's description and markers."""
    database = rdb.ReportDatabase("read back")
    database.load(str(report))
    return {c.name(): (c.description, of_category(database, c)) for c in database.each_category()}


@cache
def flow_of(pdk: str) -> str:
    return "wired" if pdk == "hermetic" else next(iter(PDKS[pdk].flows))  # the flow that most of its rules are of


@pytest.fixture(scope="module")
def klayout_version() -> deck.Version:
    assert KLAYOUT is not None
    said = subprocess.run([KLAYOUT, "-v"], capture_output=True, text=True, timeout=60, check=True).stdout
    found = deck.version(said)
    assert found is not None
    return found


def with_other_options() -> Pdk:
    """The process with each kind of check, its rules with other options than those they have there."""
    pdk = PDKS["every_kind"]
    changes: dict[str, dict[str, Any]] = {
        "RDL.W.1": {"metric": "projection", "ignore_angle": 90.0}, "RDL.S.1": {"metric": "projection"},
        "PI2.D.1": {"limit": 0.0}, "PI1.E.1": {"limit": 0.0, "metric": "square"},
        "BALL.O.1": {"metric": "euclidian", "required": True},
        "BALL.X.1": {"limit": None, "size": (310.0, 300.0), "tolerance": 0.0},
        "RDL.D.1": {"outside": "ignore"}, "RDL.G.1": {"layers": ("rdl", "dummy", "pad"), "limit": 0.25},
        "ETCH.W.1": {"limit": 500.001}, "RDL.S.2": {"wide": "one", "steps": [
            {"width": 10.0, "run": 0.0, "space": 15.0}, {"width": 9.999, "run": 30.0, "space": 12.0}]},
        "RDL.D.2": {"metric": "projection"}, "PI2.E.1": {"layers": ("pi2", "rdl_all"), "sides": "opposite"},
        "RDL.O.1": {"limit": 0.0, "inside": 0.0, "metric": "projection"}, "BEAM.X.1": {"metric": "square"},
        "ETCH.A.1": {"limit": None}, "PAD.X.1": {"limit": 60.0, "size": None}, "RDL.A.1": {"step": 90},
        "RDL.C.1": {"corners": "convex", "limit": 120.0, "layers": ("rdl", "pad")},
        "RDL.N.1": {"layers": ("rdl",), "min": None, "step": None, "max": 50.0},
        "BALL.N.1": {"at_least": None, "at_most": None, "exactly": 2}, "UBM.C.1": {"limit": 0.0},
        "PILLAR.R.1": {"metric": "euclidian"},
    }  # fmt: skip
    rules = {name: pdk.rules[name].model_copy(update=change) for name, change in changes.items()}
    centre = pdk.rules["RDL.D.1"].model_copy(update={"measure": "centre"})
    rules["RDL.D.8"] = centre
    rules["RDL.D.9"] = centre.model_copy(update={"outside": "ignore"})
    derived = {
        "grown": Derived(expression="size(rdl | dummy, 2.5) - size(pad, -1.001) & size(pi1, level.rdl.thickness)"),
        "odd": Derived(expression="rdl ^ grown"),
        "same": Derived(expression="rdl"),
    }
    rules["GROWN.S.1"] = pdk.rules["RDL.S.1"].model_copy(update={"layers": ("odd",)})
    rules["SAME.E.1"] = pdk.rules["PI1.E.1"].model_copy(update={"layers": ("same", "rdl")})
    rules["SAME.E.2"] = pdk.rules["PI1.E.1"].model_copy(update={"layers": ("rdl", "rdl")})
    return pdk.model_copy(update={"rules": rules, "derived": {**pdk.derived, **derived}})


PROCESSES = {**PDKS, "other options": with_other_options()}


def test_other_options_are_read() -> None:
    assert drc_run.validate(PROCESSES["other options"]) == []


@needs_klayout
@pytest.mark.parametrize("name", list(PROCESSES))
def test_klayout_finds_the_same(name: str, tmp_path: Path, klayout_version: deck.Version) -> None:
    """Marker by marker where edges run at multiples of 45 degrees; elsewhere, a case of a rule breaks it or not."""
    pdk = PROCESSES[name]
    flow = flow_of(pdk.name)
    regions, begin, slanted = drawn(PDKS[pdk.name])
    slanted = [place for place in slanted if pdk is PDKS[pdk.name]]
    write(pdk, regions, tmp_path / "a.gds")
    (tmp_path / "x.lydrc").write_text(deck.macro(pdk, flow), "utf-8")
    done = run(tmp_path / "x.lydrc", tmp_path / "a.gds", tmp_path / "a.lyrdb")
    assert done.returncode == 0, done.stdout + done.stderr
    found = by_rule(tmp_path / "a.lyrdb")
    assert list(found) == list(pdk.rules)

    layout = kdb.Layout()
    layout.read(str(tmp_path / "a.gds"))
    flat = Flat(pdk, lambda layer: kdb.Region(layout.top_cell().begin_shapes_rec(layout.layer(*pdk.gds(layer)))))
    differing, violated = {}, 0
    for rule_name, rule in pdk.rules.items():
        description, markers = found[rule_name]
        if rule.flows and flow not in rule.flows:
            assert description.startswith("DOES NOT APPLY: a rule of flow")
            continue
        if KINDS[rule.check].deck is None:
            assert description.startswith("NOT CHECKED: a deck has no check of kind")
            continue
        if "nets" in rule.options:
            assert description.startswith("NOT CHECKED: a deck knows no nets")
            continue
        assert not description.startswith(("NOT CHECKED", "DOES NOT APPLY")), description
        straight = {marker for marker in markers if marker[0] < begin}
        wanted = {marker for marker in of_findings(flat.find(task(rule_name, rule))) if marker[0] < begin}
        violated += bool(wanted)
        if klayout_version < CORNERS:
            wanted = {marker for marker in wanted if not marker[2]}
        if straight != wanted:
            differing[rule_name] = (sorted(straight - wanted)[:3], sorted(wanted - straight)[:3])
    assert differing == {}
    assert violated > len(pdk.rules) / 2  # or nothing was compared

    wrong = []
    for rule_name, case, fails, left, right in slanted:
        if KINDS[pdk.rules[rule_name].check].deck is None or "nets" in pdk.rules[rule_name].options:
            continue
        across = pdk.rules[rule_name].options.get("metric") == "projection"
        if klayout_version < FACETS and across and not fails:
            continue
        if fails is not any(left <= x < right for x, *_ in found[rule_name][1]):
            wrong.append(f"{rule_name}: {case}")
    assert wrong == []


HOSTILE = (
    "#{File.write('OWNED', '1')}", '"); exit!(7); ("', "'; File.write('OWNED', '1'); '",
    "\\'; File.write('OWNED', '1') #",
    "]]></text><text>File.write('OWNED', '1')", "a\nFile.write('OWNED', '1')\n", "\r=begin\n__END__\n", "`touch OWNED`",
    "$autorun-early", "-*- coding: utf-7 -*-", "% <b>&amp;</b> \x00\x1b[31m \u2028 50 \u00b5m \U0001f4a3", "\\",
    "x" * 5000,
)  # fmt: skip
"""Text that would run, end the script or break the file if it were not inert."""


def hostile() -> Pdk:
    """A process whose every text is out for harm, with rules that a deck does not check."""
    pdk = PDKS["every_kind"]
    base = pdk.rules["RDL.W.1"]
    rules = {
        f"H.{i}": base.model_copy(update={"why": text, "source": text, "limit": 10.0}) for i, text in enumerate(HOSTILE)
    }
    rules["OTHER"] = base.model_copy(update={"flows": ("other\n'#{exit!}",)})
    rules["INVALID"] = base.model_copy(update={"layers": ("rdl", "pad")})
    rules["NO.KIND"] = base.model_copy(update={"check": "'#{File.write('OWNED', '1')}"})
    rules["SQUARE"] = pdk.rules["PILLAR.R.1"].model_copy(update={"metric": "square"})
    rules["NEEDS"] = pdk.rules["RDL.D.1"]
    rules["IDLE"] = base.model_copy(update={"layers": ("beam",)})
    rules["WRONG"] = base.model_copy(update={"check": "broken"})
    rules["LAST"] = base
    return pdk.model_copy(update={"rules": rules, "title": "\n".join(HOSTILE[:-1])})


@pytest.fixture
def broken_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kind whose script KLayout cannot run."""
    broken = replace(KINDS["width"], name="broken", deck=lambda layers, limit, options: [f"{layers[0]}.no_such_check"])
    monkeypatch.setitem(KINDS, "broken", broken)


NOT_CHECKED = {
    "INVALID": "takes 1 [layer], not 2", "NO.KIND": "no kind of check",
    "SQUARE": "a deck does not measure aspect ratios with the metric square",
}  # fmt: skip
"""Rules of the hostile process, and why its deck does not check them."""


@needs_klayout
@pytest.mark.usefixtures("broken_kind")
def test_text_is_inert_and_what_is_not_checked_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deck, "KNOWN", ((0, 1, 0), (0, 2, 0)))
    monkeypatch.chdir(tmp_path)
    pdk = hostile()
    write(pdk, {"rdl": kdb.Region(kdb.Box(0, 0, 9_000, 90_000))}, tmp_path / "a.gds")
    (tmp_path / "x.lydrc").write_text(deck.macro(pdk, "one"), "utf-8")
    done = run(tmp_path / "x.lydrc", tmp_path / "a.gds", tmp_path / "a.lyrdb")
    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    assert "KLayout failed on WRONG" in said
    assert not (tmp_path / "OWNED").exists()
    assert "is not known to agree with layoutgen" in said

    found = by_rule(tmp_path / "a.lyrdb")
    assert list(found) == list(pdk.rules)
    for name in (*(f"H.{i}" for i in range(len(HOSTILE))), "LAST"):
        description, markers = found[name]
        assert description == printable(drc_run.text(name, pdk.rules[name]), deck.MOST)
        assert len(markers) == 1
    for name, why in NOT_CHECKED.items():
        assert found[name][0].startswith("NOT CHECKED: "), name
        assert why in found[name][0]
        assert f"{name} NOT CHECKED" in said
    assert found["NEEDS"][0].startswith("NOT CHECKED: there is nothing on layer die. ")
    assert found["IDLE"][0].startswith("DOES NOT APPLY: there is nothing on layer beam. ")
    assert found["OTHER"][0].startswith("DOES NOT APPLY: a rule of flow other?'#{exit!}. ")
    assert found["WRONG"][0].startswith("NOT CHECKED: KLayout failed: ")
    unchecked = [*NOT_CHECKED, "NEEDS", "IDLE", "OTHER", "WRONG"]
    assert [name for name in unchecked if found[name][1]] == []
    assert (
        f"{len(HOSTILE) + 1} rules checked, {len(HOSTILE) + 1} with violations; 2 do not apply; NOT CHECKED: 5" in said
    )


@pytest.mark.usefixtures("broken_kind")
def test_hostile_text_is_text_in_the_file() -> None:
    pdk = hostile()
    script = deck.script(pdk, "one")
    root = ElementTree.fromstring(deck.macro(pdk, "one"))  # noqa: S314  what we wrote
    assert root.findtext("text") == script
    values = {child.tag: child.text for child in root}
    assert values["category"] == "drc"
    assert values["interpreter"] == "dsl"
    assert values["dsl-interpreter-name"] == "drc-dsl-xml"
    assert values["show-in-menu"] == "true"
    assert values["autorun"] == values["autorun-early"] == "false"
    assert [line for line in script.splitlines() if re.match(r"#\s*\$", line)] == []  # what KLayout obeys in a .drc
    assert "coding" not in "".join(script.splitlines()[:1])  # what Ruby obeys
    for name, why in NOT_CHECKED.items():
        assert re.search(rf"^#   {re.escape(name)}: .*{re.escape(why)}", script, re.MULTILINE)


@pytest.mark.parametrize("name", list(PDKS))
def test_every_rule_stands_in_its_deck_once(name: str) -> None:
    for flow in PDKS[name].flows:
        script = deck.script(PDKS[name], flow)
        assert re.findall(r"^(?:rule|not_checked|does_not_apply)\('([^']+)'", script, re.MULTILINE) == list(
            PDKS[name].rules
        )
        for rule in deck.not_expressed(PDKS[name], flow):
            assert f"not_checked('{rule}'" in script


def test_every_kind_but_those_that_klayout_has_no_words_for_has_a_check_in_decks() -> None:
    none = [kind.name for kind in KINDS.values() if kind.deck is None]
    nets = ["connected", "not_connected", "one_piece", "closed_ring", "sealed", "reaches_cut"]
    assert none == ["bending", *nets]  # no beams, no nets of ours


@pytest.mark.skipif(RUBY is None, reason="Ruby is not installed")
@pytest.mark.usefixtures("broken_kind")
def test_decks_are_well_formed_ruby(tmp_path: Path) -> None:
    assert RUBY is not None
    files = [deck.HELPERS]
    for pdk in (*PDKS.values(), hostile()):
        files.append(tmp_path / f"{len(files)}.drc")
        files[-1].write_text(deck.script(pdk, next(iter(pdk.flows))), "utf-8")
    for file in files:
        done = subprocess.run([RUBY, "-wc", str(file)], capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stdout) == (0, "Syntax OK\n"), done.stderr


def test_each_part_of_the_helpers_is_a_method_that_says_what_it_does() -> None:
    for part in deck.HELPERS.read_text("utf-8").strip().split("\n\n"):
        assert part.startswith("# ")
        assert len(re.findall(r"^def ", part, re.MULTILINE)) == 1
        assert part.endswith("\nend")


def test_a_deck_has_the_helpers_it_uses_only() -> None:
    script = deck.script(PDKS["post"], flow_of("post"))
    assert "def which(" in script
    assert "def density_windows(" not in script


def test_derived_layers_keep_their_numbers_and_order() -> None:
    script = derive.script("size(a | b, 2 * level.x.thickness) - c & d", lambda name: f"l_{name}", lambda _: 1.25)
    assert script == "(((l_a | l_b).merged.sized(2.500, square_limit) - l_c) & l_d)"


@needs_klayout
def test_klayout_runs_it_from_its_menu(tmp_path: Path) -> None:
    """As a macro, on the layout that is shown: its markers come up in the browser. Rules that cannot say anything there
    say so, as in `layoutgen drc`.
    """
    pdk = PDKS["post"]
    write(pdk, {"polyimide": kdb.Region(kdb.Box(0, 0, 9_000, 90_000))}, tmp_path / "a.gds")
    (tmp_path / "x.lydrc").write_text(deck.macro(pdk, flow_of("post")), "utf-8")
    (tmp_path / "menu.rb").write_text(f"""\
RBA::Application.instance.main_window.load_layout({str(tmp_path / "a.gds")!r}, 0)
macro = RBA::Macro::new({str(tmp_path / "x.lydrc")!r})
macro.run
view = RBA::LayoutView.current
said = ["#{{macro.show_in_menu?}} #{{macro.menu_path}} #{{macro.category}}", "databases: #{{view.num_rdbs}}"]
view.rdb(0).each_category {{ |c| said << [c.name, c.num_items, c.description].join("|") }}
File.write({str(tmp_path / "said")!r}, said.join("\\n"))
RBA::Application.instance.exit(0)
""")
    assert KLAYOUT is not None
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "HOME": str(tmp_path)}
    command = [KLAYOUT, "-z", "-r", str(tmp_path / "menu.rb")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, check=False)
    assert (tmp_path / "said").exists(), done.stdout + done.stderr
    said = (tmp_path / "said").read_text().splitlines()
    assert said[:2] == ["true tools_menu.drc.end drc", "databases: 1"]
    rows = {name: (int(number), text) for name, number, text in (line.split("|", 2) for line in said[2:])}
    assert rows["PI.W.1"][0] == 1
    report = checked.check_file(tmp_path / "a.gds", pdk, flow_of("post")).report
    begins = {
        Status.FAILED: "NOT CHECKED: ",
        Status.SKIPPED: "NOT CHECKED: ",
        Status.NOT_APPLICABLE: "DOES NOT APPLY: ",
    }
    assert len({result.status for result in report.results}) >= 3  # or little was compared
    for result in report.results:
        number, text = rows[result.rule]
        rule = pdk.rules.get(result.rule)
        if rule is not None and KINDS[rule.check].deck is None and result.status is not Status.RUN:
            assert text.startswith("NOT CHECKED: ")
            continue
        assert text.startswith(begins.get(result.status, result.text)), result
        assert number == len(result.findings)


@needs_klayout
@pytest.mark.parametrize(
    ("unit", "needed", "message"),
    [
        (0.005, deck.NEEDED, "this deck is for a database unit of 0.001 um, not 0.005 um"),
        (0.001, (9, 0, 0), "this deck needs KLayout 9.0.0 at least"),
    ],
)
def test_where_it_cannot_run_it_fails_and_writes_nothing(
    unit: float, needed: deck.Version, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deck, "NEEDED", needed)
    (tmp_path / "x.drc").write_text(deck.script(PDKS["post"], flow_of("post")), "utf-8")
    layout = kdb.Layout()
    layout.dbu = unit
    layout.create_cell("TOP")
    layout.write(str(tmp_path / "a.gds"))
    done = run(tmp_path / "x.drc", tmp_path / "a.gds", tmp_path / "a.lyrdb")
    assert done.returncode == 1
    assert message in done.stdout + done.stderr
    assert not (tmp_path / "a.lyrdb").exists()


@pytest.mark.parametrize(
    ("said", "found", "doubt"),
    [
        ("KLayout 0.28.5\n", (0, 28, 5), ""),
        ("KLayout 0.30.12", (0, 30, 12), ""),
        ("KLayout 0.30", (0, 30, 0), ""),
        ("KLayout 0.28.4", (0, 28, 4), "decks are known to agree from 0.28.5 to 0.30.12 only"),
        ("KLayout 0.31.0", (0, 31, 0), "decks are known to agree from 0.28.5 to 0.30.12 only"),
        ("KLayout 0.27.13", (0, 27, 13), "decks need 0.28.0 at least"),
    ],
)
def test_versions(said: str, found: deck.Version, doubt: str) -> None:
    assert deck.version(said) == found
    assert deck.outside_of_known(found) == doubt


def test_no_version() -> None:
    assert deck.version("no such thing") is None


@pytest.mark.parametrize(
    ("says", "line"),
    [
        ("KLayout 0.27.1", "note   KLayout's application: {}, 0.27.1; decks need 0.28.0 at least"),
        ("KLayout 0.29.0", "ok     KLayout's application: {}, 0.29.0"),
        ("what?", "note   KLayout's application: {} does not say its version"),
    ],
)
def test_the_doctor_says_klayouts_version(says: str, line: str, tmp_path: Path) -> None:
    application = tmp_path / "klayout"
    application.write_text(f"#!/bin/sh\necho '{says}'\n")
    application.chmod(0o755)
    assert doctor._application(str(application)) == line.format(application)


def test_the_command_writes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for ending, text in ((".lydrc", "<klayout-macro>"), (".drc", "# Design rules for KLayout's DRC")):
        path = tmp_path / f"x{ending}"
        assert run_command(["pdk", "deck", "post", "-o", str(path)]) == 0
        assert f"{path}: 27 of the 29 rules of post for flow plated" in capsys.readouterr().out
        assert text in path.read_text("utf-8")


def test_the_command_refuses_other_endings_and_flows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["pdk", "deck", "post", "-o", str(tmp_path / "x.txt")]) == 2
    assert "must end in .lydrc or .drc" in capsys.readouterr().err
    assert run_command(["pdk", "deck", "post", "--flow", "nope", "-o", str(tmp_path / "x.drc")]) == 2
    assert "no flow 'nope' in PDK 'post'" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
