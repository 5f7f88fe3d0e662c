"""A wiring level on the frame itself: tracks that cross without a short, vias that end on it, and the masks for it."""

from __future__ import annotations

from pathlib import Path

import klayout.db as kdb
import pytest
from framed_spec import spec
from mutants.injected import laid

from layoutgen import gds, netcheck
from layoutgen.drc.run import check_layout
from layoutgen.mask import mask_layout


def test_tracks_cross_on_the_frame_and_all_rules_hold(tmp_path: Path) -> None:
    wafer = laid(spec(tmp_path))
    top = wafer.layout.top_cell()
    results = check_layout(wafer.layout, top, wafer.pdk, "framed", title="", jobs=1).results
    results += tuple(netcheck.check_nets(wafer.layout, top, wafer.pdk, "framed"))
    assert {r.rule: r.count for r in results if r.count} == {}
    ran = {r.rule for r in results if r.status.value == "run"}
    own = {"RS.R.4", "FV.W.1", "FV.S.1", "FV.E.1", "FV.E.2", "FV.E.3", "FV.D.1", "VE.E.1", "DK.E.2", "DK.E.3", "UK.L.1"}
    assert ran >= {*own, "NETS"}


@pytest.mark.parametrize(("layer", "box"), [
    ("frame_via", (440, 230, 460, 250)),  # where tracks of two nets cross
    ("coil", (450, 590, 655, 600)),  # turns of an inductor, which the mask prints: from track to track
])  # fmt: skip
def test_what_joins_two_tracks_is_a_short(tmp_path: Path, layer: str, box: tuple[int, ...]) -> None:
    wafer = laid(spec(tmp_path))
    wafer.layout.cell("STEP").shapes(wafer.layout.layer(*wafer.pdk.gds(layer))).insert(kdb.DBox(*box))
    (nets,) = (r for r in netcheck.check_nets(wafer.layout, wafer.layout.top_cell(), wafer.pdk, "framed")
               if r.rule == "NETS")  # fmt: skip
    assert [f.note for f in nets.findings if "one piece" in f.note]


@pytest.mark.parametrize(("name", "takes", "leaves"), [
    ("RS", "frame", "frame_via"), ("KL", "frame", "via_worst"), ("SV", "frame", None),
])  # fmt: skip
def test_masks_of_the_frame_are_open_where_they_have_to_be(
    tmp_path: Path, name: str, takes: str, leaves: str | None
) -> None:
    """As the flat wafer says, within the dies."""
    wafer = laid(spec(tmp_path))
    pdk, layout, top = wafer.pdk, wafer.layout, wafer.layout.top_cell()
    fetch = gds.fetch(layout, pdk, top)
    mask = mask_layout(layout, pdk, name, pdk.masks_of("framed")[name])
    dies = fetch("die")
    found = kdb.Region(mask.top_cell().begin_shapes_rec(mask.layer(*pdk.masks[name].gds))) & dies
    expected = pdk.region(takes, fetch)
    expected = expected - pdk.region(leaves, fetch) if leaves else expected.sized(-3_000, 2)
    assert (found ^ (expected & dies)).sized(-1).is_empty()  # but for where slanted edges go to the grid
    assert not found.is_empty()
