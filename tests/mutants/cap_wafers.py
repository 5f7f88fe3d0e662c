"""Wafers of caps: those of the examples, smaller, as they are drawn, to be harmed and checked."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import klayout.db as kdb
from framed_spec import spec
from mutants.injected import laid

from layoutgen import gds
from layoutgen.drc.run import check_layout
from layoutgen.findings import RuleResult
from layoutgen.pdk import Pdk
from layoutgen.units import dbu

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = {"ladder_saw": 30_000, "ladder_saw, lidded": 24_000, "duplexer_2in1": 40_000, "framed": 24_000}
"""The examples, one in another flow too, and a component with wiring on its frame; diameters (um) of wafers that hold
what the tests ask for."""
UM = 1000


@dataclass(frozen=True)
class Wafer:
    """A clean wafer as it is drawn: of a few hundred dies."""

    pdk: Pdk
    flow: str
    layout: kdb.Layout
    corners: tuple[tuple[int, int], ...]
    size: tuple[int, int]
    street: int

    @cached_property
    def step(self) -> dict[str, kdb.Region]:
        """What is drawn in the step, by layer, derived ones too."""
        fetch = gds.fetch(self.layout, self.pdk, self.layout.cell("STEP"))
        return {n: self.pdk.region(n, fetch) for n in (*self.pdk.drawn_layers, *self.pdk.derived)}

    @property
    def die(self) -> kdb.Box:
        return kdb.Box(0, 0, *self.size)

    def half(self, band: str) -> int:
        """Half width of what the cut takes on a reserved layer."""
        assert self.pdk.cut
        return dbu(self.pdk.cut.bands()[band])

    def limit(self, rule: str) -> int:
        return dbu(self.pdk.rules[rule].limit or 0.0)

    def check(self, layout: kdb.Layout, rules: set[str] | None = None) -> tuple[RuleResult, ...]:
        return check_layout(
            layout, layout.top_cell(), self.pdk, self.flow, title="defects", rules=rules, jobs=1
        ).results

    def black(self, corner: tuple[int, int]) -> bool:
        """Dies are coloured like a chessboard."""
        return sum(round(c / (size + self.street)) for c, size in zip(corner, self.size, strict=True)) % 2 == 0

    def box(self, side: int, low: int, high: int, begin: int, end: int) -> kdb.Box:
        """Between two depths from the die's left, lower, right or upper edge (0 to 3), from where to where along it."""
        if side > 1:
            low, high = self.size[side % 2] - high, self.size[side % 2] - low
        return kdb.Box(low, begin, high, end) if side % 2 == 0 else kdb.Box(begin, low, end, high)

    @cached_property
    def walls(self) -> list[tuple[int, int, int, int]]:
        """Straight walls along the die's edge: side, depth of the inner face, from where to where."""
        found = []
        for polygon in self.step["frame"].each():
            for edge in (e for k in range(polygon.holes()) for e in polygon.each_edge(k + 1)):
                for axis, (at, to, begin, end) in enumerate(
                    ((edge.x1, edge.x2, edge.y1, edge.y2), (edge.y1, edge.y2, edge.x1, edge.x2))
                ):
                    for side, depth in ((axis, at), (axis + 2, self.size[axis] - at)):
                        if at == to and 0 < depth <= 60 * UM and abs(end - begin) > 200 * UM:
                            found.append((side, depth, min(begin, end), max(begin, end)))
        return sorted(found)

    @cached_property
    def islands(self) -> list[kdb.Polygon]:
        return [p for p in self.step["frame"].each() if p.bbox().inside(self.die)]

    @property
    def glued(self) -> int:
        """By how much the frame may stand off the chip."""
        return dbu(self.pdk.number("level.frame.glued")) if self.flow == "lidded" else 0

    @property
    def via(self) -> str:
        """What comes down to the chip."""
        return "inter_via" if self.flow == "wired" else "cover_via"


def drawn(name: str, diameter: int = 0) -> Wafer:
    """The wafer of one of `NAMES`, without the checks of a build."""
    with tempfile.TemporaryDirectory() as folder:
        make = spec if name == "framed" else partial(_smaller, name)
        found = laid(make(Path(folder), diameter=diameter or NAMES[name]))
    corners = tuple((dbu(x), dbu(y)) for x, y in (found.grid.at(place) for place in found.grid.dies))
    size = dbu(found.die.width), dbu(found.die.height)
    return Wafer(found.pdk, found.flow, found.layout, corners, size, dbu(found.asked.street[0]))


def _smaller(name: str, folder: Path, *, diameter: int) -> Path:
    """An example's spec, for another wafer and perhaps in another flow, in a folder."""
    name, _, flow = name.partition(", ")
    for path in (EXAMPLES / name).iterdir():
        target = folder / name / path.name
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(path.read_bytes())
    text = (EXAMPLES / f"{name}.toml").read_text("utf-8")
    changes = {
        "diameter = 100_000": f"diameter = {diameter}",
        "flat = 32_500": f"flat = {0.325 * diameter}",
        'flow = "basic"': f'flow = "{flow}"' if flow else "",
    }
    for old, new in changes.items():
        assert not new or old in text
        text = text.replace(old, new or old)
    (folder / f"{name}.toml").write_text(text, "utf-8")
    return folder / f"{name}.toml"
