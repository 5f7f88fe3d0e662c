"""A chip routed in a process, apart from any wafer: `route_chip` computes, `Routed.save` writes.

The flow's own die stages make the routing problem and the landings, as they do in a build.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import klayout.db as kdb

from layoutgen import discover, gds, handover, maskset
from layoutgen import spec as spec_file
from layoutgen.cell import Drawing
from layoutgen.chip import Chip, RoutedLayer, Second, add_routes, load, write_def, write_lef
from layoutgen.chip.shapes import ring
from layoutgen.die import Die, DieContext, Stages, build_die
from layoutgen.errors import ChipError, LayoutgenError, OutputError, Problem
from layoutgen.pdk import Pdk
from layoutgen.report import routing, routing_table
from layoutgen.report.routing_picture import draw_picture
from layoutgen.report.routing_table import MatchedRow, NetRow, Totals
from layoutgen.route import NetMetal, RouteOptions, RoutePlan, RouteProblem, Ties
from layoutgen.route.problem import Point
from layoutgen.spec import Spec
from layoutgen.units import DBU, LARGEST, Um, dbu, off_grid

Progress = Callable[[str], None]
ROUTED = "rdl"
"""The routed layer in DEF and LEF, where the chip's own file names none."""
FILES = ("route.gds", "route.png", "route.md", "route.json", "nets.csv", "route.def", "route.lef")
"""All that may be written, or taken away as an earlier routing's."""
LANDING_CORNERS = 64
"""Of the polygon that stands for a via's landing in DEF."""
VERSION = 1
"""Of what `route.json` holds; another number where a key goes or changes its meaning."""


@dataclass(frozen=True)
class Routed:
    """A chip with its wires; nothing of it written yet."""

    name: str
    chip: Chip
    pdk: Pdk
    flow: str
    problem: RouteProblem
    plan: RoutePlan
    metal: dict[str, NetMetal]
    table: tuple[NetRow, ...]
    drawing: Drawing
    """The die as far as it is routed: pads, landings, wires, names and outline, on the process's layers."""
    notes: tuple[str, ...]
    """What a reader should know besides: options that break a rule of the process, nets without plating current."""
    source: Path | None = None
    """The file that the chip came from."""
    metal_2: dict[str, NetMetal] = field(default_factory=dict)
    """The metal of the second layer, where there are two; `metal` is then that of the first."""

    @property
    def totals(self) -> Totals:
        """The sums of the table."""
        return routing_table.totals(self.table)

    @property
    def matched(self) -> list[MatchedRow]:
        """What became of groups of nets that shall be equally long."""
        return routing_table.matched_table(self.problem, self.table, self.plan.missed)

    @property
    def complete(self) -> bool:
        """Whether all that had to be routed, tied and matched is."""
        return self.plan.complete and all(m.met for m in self.matched)

    @property
    def exit_code(self) -> int:
        """0 complete, 1 not."""
        return 0 if self.complete else 1

    def save(
        self, folder: str | Path, *, picture: bool = True, keep: Iterable[Path] = (),
        progress: Progress = lambda _: None,
    ) -> list[Path]:  # fmt: skip
        """Write `route.gds`, `.png`, `.md`, `.json` and `nets.csv` into a folder, whole or not at all; the files.

        keep: files besides `source` that must not be written over: those that the chip came from.

        Raises:
            OutputError: something could not be written; what stood in the folder is unchanged.
        """
        outputs = {(Path(folder) / name).resolve() for name in FILES}
        for path in filter(None, (self.source, *keep)):
            if path.resolve() in outputs:
                raise OutputError(f"{path}: is read, and would be written over; choose another folder with -o")
        with handover.staging(Path(folder)) as beside:
            files = list(self._write(beside, picture, progress))
            sums = {f: {"sha256": _sha256(beside / f), "bytes": (beside / f).stat().st_size} for f in files}
            gds.write_text(beside / "route.json", _json({**self.data(), "files": sums}))
            return handover.put_in_place(beside, Path(folder), [*files, "route.json"])

    def _write(self, folder: Path, picture: bool, progress: Progress) -> Iterator[str]:
        """Each file written, by its name. A DEF that the chip came from gets the wires; else chip and wires are one."""
        progress("writing route.gds")
        gds.save(gds.to_layout(self.drawing, self.pdk), folder / "route.gds")
        yield "route.gds"
        progress("writing reports")
        texts = {
            "route.md": routing.markdown(self.name, self.problem, self.plan, self.table, self.notes),
            "nets.csv": routing.csv_text(self.table),
        }
        for file, text in texts.items():
            gds.write_text(folder / file, text)
            yield file
        progress("writing route.def")
        for file, text in self._exchange().items():
            gds.write_text(folder / file, text)
            yield file
        if picture:
            progress("drawing route.png")
            draw_picture(folder / "route.png", self.name, self.problem, self.plan, self.metal, self.table)
            yield "route.png"

    def _exchange(self) -> dict[str, str]:
        """The DEF that the chip came from with the wires added; else DEF and LEF of chip and wires.

        So it is where its unit is too coarse, and where there are two metals, of which the chip's file knows one.
        """
        layer = self.chip.layer or RoutedLayer(ROUTED)
        names = (layer.name, f"{layer.name}_2")
        routes: dict[str, list[tuple[str, int, tuple[Point, ...]]]] = {}
        for wire in self.plan.wires:
            routes.setdefault(wire.net, []).append((names[wire.layer], dbu(wire.width), wire.points))
        if self.problem.layers == 1 and self.source is not None and self.source.suffix.lower() == ".def":
            with suppress(ChipError):
                return {"route.def": add_routes(self.source, self.chip, routes)}
        chip = self.chip.assigned(self.plan.taken)
        second = self._second(names[1], f"{layer.name}_cut") if self.problem.layers == 2 else None
        given = layer if second else None
        return {
            "route.lef": write_lef(chip, given, second), "route.def": write_def(chip, routes, given, second)
        }  # fmt: skip

    def _second(self, name: str, cut: str) -> Second:
        """The second metal, and vias to it: openings as drawn, landings in the disc that the router knows."""
        at: dict[str, list[tuple[int, int]]] = {}
        for via in self.plan.vias:
            at.setdefault(via.net, []).append((dbu(via.x), dbu(via.y)))
        radius, turn = self.problem.via / 2, 2 * math.pi / LANDING_CORNERS
        landing = [(radius * math.cos(k * turn), radius * math.sin(k * turn)) for k in range(LANDING_CORNERS)]
        opening = landing
        if spots := [spot for own in at.values() for spot in own]:
            layout, (x, y) = gds.to_layout(self.drawing, self.pdk), spots[0]
            layer = layout.layer(*self.pdk.gds(self.pdk.role("via_2")))
            shapes = kdb.Region(layout.top_cell().begin_shapes_rec(layer)).merged()
            here = next(shapes.interacting(kdb.Region(kdb.Box(x - 1, y - 1, x + 1, y + 1))).each())
            opening = [((p.x - x) * DBU, (p.y - y) * DBU) for p in here.each_point_hull()]
        shapes_about = [ring((dbu(px) * DBU, dbu(py) * DBU) for px, py in of) for of in (opening, landing)]
        return Second(name, cut, shapes_about[0], shapes_about[1], at)

    def data(self) -> dict[str, Any]:
        """All of it as plain data, as `route.json` holds it. Lengths in um, resistance in ohm, layers from 1."""
        problem = self.problem
        return {
            "version": VERSION,
            "name": self.name,
            "pdk": self.pdk.name,
            "flow": self.flow,
            "complete": self.complete,
            "notes": [*self.notes],
            "rules": {
                "width": problem.width, "space": problem.space, "edge": problem.edge, "style": str(problem.style),
                "layers": problem.layers, "ties": problem.ties, "some_ties": problem.some_ties,
            },
            "outline": [[*p] for p in problem.outline],
            "terminals": [
                {"name": t.name, "net": net or self.plan.taken.get(t.name, ""), "at": [t.x, t.y], "layer": t.layer + 1}
                for t in problem.terminals
                for net in [t.net]
            ],
            **routing.plain(problem, self.plan, self.table),
        }  # fmt: skip


def route_chip(
    source: Spec | Chip,
    pdk: str | None = None,
    options: RouteOptions | None = None,
    *,
    flow: str | None = None,
    name: str | None = None,
    cells: Iterable[Path] = (),
    file: Path | None = None,
    progress: Progress = lambda _: None,
) -> Routed:
    """Route a chip in a process; a spec also says process, flow, cell parameters and label.

    With a chip, `pdk` is needed, and `flow` where the process has several; no room is kept for a die label. `file` is
    where the chip came from: a DEF gets the wires added.

    Raises:
        SpecError: a spec asks for what cannot be.
        LayoutgenError: process, flow, cells or options are wrong.
    """
    progress("reading the process")
    context, stages = _context(source, pdk, flow, tuple(cells))
    context = replace(context, routing=(options or RouteOptions()).over(context.routing))
    if context.routing.ties in (Ties.NETS, Ties.PADS) and "tie" not in context.pdk.roles:
        raise LayoutgenError(f"no ties in PDK {context.pdk.name!r}: leave them out, or name a process that has some")
    progress("routing")

    def routed() -> Die:
        return build_die(context, stages, routing_only=True)

    die = maskset.at_place(str(source.path), "", routed) if isinstance(source, Spec) else routed()
    if die.problem is None or die.plan is None:
        raise LayoutgenError(f"flow {context.flow_name!r} of PDK {context.pdk.name!r} says no routing problem")
    drawing = die.drawing()
    drawing.polygon("die", [*die.problem.outline])
    table = routing_table.chip_table(die.problem, die.plan, context.pdk)
    return Routed(
        name or (source.file.name if isinstance(source, Spec) else file_name(source.name)),
        context.chip, context.pdk, context.flow_name, die.problem, die.plan, dict(die.metal), tuple(table), drawing,
        tuple(_notes(context, die.problem, table)), file, dict(die.metal_2),
    )  # fmt: skip


def _context(
    source: Spec | Chip, pdk: str | None, flow: str | None, cells: tuple[Path, ...]
) -> tuple[DieContext, Stages]:
    if isinstance(source, Spec):
        changed = source.file.model_copy(update={k: v for k, v in (("pdk", pdk), ("flow", flow)) if v is not None})
        spec = replace(source, file=changed, cell_folders=(*source.cell_folders, *cells))
        base, stages = maskset.build_context(spec, str(spec.path))
        return maskset.die_context(spec, base), stages
    if pdk is None:
        raise ChipError([Problem(source.name, "", "a chip without a spec needs a process; name it with pdk")])
    process = discover.pdk(pdk)
    flow_name, _ = process.flow(flow)
    process = process.in_flow(flow_name)
    context = DieContext(
        process, flow_name, discover.cells(*cells), {}, chip=source, most_columns=1, most_rows=1, labelled=False
    )  # fmt: skip
    return context, discover.stages(*cells)


def _notes(context: DieContext, problem: RouteProblem, table: list[NetRow]) -> Iterator[str]:
    metals = [context.pdk.role(name) for name in routing_table.METAL_ROLES[: problem.layers]]
    for kind, value in (("width", problem.width), ("space", problem.space)):
        broken = [
            f"{name} ({rule.limit:g} um)"
            for name, rule in context.pdk.rules.items()
            if rule.check == kind and rule.limit is not None and rule.limit > value
            and any(metal in context.pdk.sources(layer) for layer in rule.layers for metal in metals)
        ]  # fmt: skip
        if broken:
            yield f"{kind} {value:g} um is below {', '.join(broken)} of PDK {context.pdk.name}"
    untied = sum(not r.ties for r in table)
    if context.flow.current == "kerf" and untied:
        yield f"{untied} of {len(table)} nets have no tie; flow {context.flow_name} plates through ties only"


def read_chip(
    path: Path,
    *,
    pdk: str | None = None,
    balls: Path | None = None,
    size: tuple[Um, Um] | None = None,
    pad_size: tuple[Um, Um] | None = None,
    lefs: Iterable[Path] = (),
    layer: str = "",
    cells: Iterable[Path] = (),
) -> Spec | Chip:
    """A spec, or the chip in another file; of a spec for another process than `pdk` its chip only.

    Raises:
        SpecError, ChipError: it is wrong, or of a kind that nobody reads.
    """
    suffix, given_lefs = path.suffix.lower(), tuple(lefs)
    given = {"--balls": balls, "--size": size, "--pad-size": pad_size, "--lef": given_lefs, "--layer": layer}
    allowed = {".toml": (), ".csv": ("--balls", "--size", "--pad-size"), ".def": ("--lef", "--layer")}.get(suffix)
    if idle := [option for option, value in given.items() if value and allowed is not None and option not in allowed]:
        raise ChipError([Problem(str(path), idle[0], f"says nothing about a {suffix} file; leave it out")])
    if suffix == ".toml":
        spec = spec_file.read(path, cells)
        return spec if pdk in (None, spec.file.pdk) else spec.chip
    if suffix == ".csv" and (balls is None or size is None):
        missing = "--balls BALLS.csv" if balls is None else "--size WIDTH HEIGHT"
        raise ChipError([Problem(str(path), "", f"a pad table needs {missing} beside it")])
    for option, values in (("--size", size or ()), ("--pad-size", pad_size or ())):
        if not all(0 < v <= LARGEST for v in values):
            raise ChipError([Problem(str(path), option, f"must be two lengths above 0 and at most {LARGEST:g} um")])
        if any(off_grid(v) for v in values):
            raise ChipError([Problem(str(path), option, "is finer than 1 nm; round it to 3 decimals")])
    return load(path, lefs=given_lefs, layer=layer, balls=balls, size=size, pad_size=pad_size)


def file_name(name: str) -> str:
    """A name as the name of a folder."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", name).strip("._-")[:80] or "chip"


def _json(data: dict[str, Any]) -> str:
    """JSON with a line for each key, and for each item of a list or table under it."""
    out = []
    for key, value in data.items():
        text = json.dumps(value, ensure_ascii=False)
        if isinstance(value, list) and value:
            items = ",\n  ".join(json.dumps(item, ensure_ascii=False) for item in value)
            text = f"[\n  {items}\n ]"
        elif isinstance(value, dict) and value:
            items = ",\n  ".join(f"{json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}" for k, v in value.items())
            text = f"{{\n  {items}\n }}"
        out.append(f" {json.dumps(key)}: {text}")
    return "{\n" + ",\n".join(out) + "\n}\n"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
