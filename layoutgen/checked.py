"""A layout file checked against a process: read as one of someone else, its reserved layers supplied, its rules run.

Builds draw the outlines of dies, streets and kerfs on reserved layers, and their wafers are checked with these.
Files of others have none: where the dies are, `Dies` says.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import klayout.db as kdb

from layoutgen import foreign, gds, geom, part
from layoutgen.drc import facets
from layoutgen.drc.cache import Cache, digest_of_file
from layoutgen.drc.checks import task
from layoutgen.drc.checks.kind import Circles
from layoutgen.drc.dies import in_dies
from layoutgen.drc.run import check_layout
from layoutgen.errors import InputError, PdkError, Problem, UnknownNameError, printable
from layoutgen.findings import Report, RuleResult, Status
from layoutgen.pdk import LayerNumber, Pdk
from layoutgen.report import NOT_ASKED
from layoutgen.units import Um, dbu, to_dbu
from layoutgen.windows.cover import covers

if TYPE_CHECKING:
    from layoutgen.baseline import Baseline
    from layoutgen.waivers import Waivers

OPTIONS = {
    "die": "--die",
    "street": "--die and --step",
    "cut_sure": "--die and --step",
    "cut_maybe": "--die and --step",
}
"""What supplies a reserved layer, at whichever level of the cut."""
ENDINGS = (".lyrdb", ".codequality.json", ".json", ".sarif", ".xml", ".md")
"""Of files that a report is written to: KLayout's markers, GitLab, JSON, SARIF, JUnit, Markdown."""


@dataclass(frozen=True, slots=True)
class Dies:
    """Where the dies of a file are, if it does not say itself. Lengths in um."""

    box: tuple[Um, Um, Um, Um] | None = None
    """Lower-left and upper-right corner of the first die."""
    layer: LayerNumber | None = None
    """Instead: the layer of the file that outlines dies."""
    step: tuple[Um, Um] | None = None
    """From one die to the next in x and y; what it leaves between them is street, in whose middle the blade runs."""
    count: tuple[int, int] = (1, 1)
    """Columns and rows of dies."""
    cut: Um | None = None
    """Width of the kerf; left out, what the process says."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A report, and what it is about: the cell that its coordinates belong to, its file, and what was read of it."""

    report: Report
    top: str
    file: Path = Path()
    layout: kdb.Layout | None = field(default=None, compare=False, repr=False)

    def save(self, path: Path, pdk: Pdk) -> None:
        """Write the report as the file's ending says (`ENDINGS`).

        Raises:
            OutputError: it could not be written.
        """
        from layoutgen.report import codequality, json_form, junit, lyrdb, markdown, sarif

        match path.suffix:
            case ".lyrdb":
                with gds.whole_file(path) as temporary:
                    lyrdb.write(self.report, self.top, temporary)
            case ".sarif":
                gds.write_text(path, sarif.text(self.report, pdk, sarif.uri(self.file), self.top))
            case ".json" if path.name.endswith(".codequality.json"):
                gds.write_text(path, codequality.text(self.report, pdk, sarif.uri(self.file)))
            case ".json":
                gds.write_text(path, json_form.text(self.report, pdk))
            case ".xml":
                gds.write_text(path, junit.text(self.report, pdk))
            case _:
                gds.write_text(path, markdown.text(self.report, pdk))

    def draw(self, folder: Path, pdk: Pdk) -> list[Path]:
        """Draw the worst finding of each rule into a folder, in place of the pictures of an earlier check.

        Returns the pictures, and `pictures.json`, which says whose they are.

        Raises:
            OutputError: one could not be written; what stood in the folder is unchanged.
        """
        from layoutgen.handover import put_in_place, staging
        from layoutgen.report import snapshots

        if self.layout is None:
            raise ValueError("there is no layout to draw")
        with staging(folder) as beside:
            drawn = snapshots.draw(self.report, pdk, self.layout, self.layout.cell(self.top), beside)
            gds.write_text(beside / snapshots.INDEX, snapshots.index(drawn))
            return put_in_place(beside, folder, [*(s.file for s in drawn), snapshots.INDEX])


def check_file(
    path: Path,
    pdk: Pdk,
    flow: str | None = None,
    *,
    top: str = "",
    rules: Collection[str] | None = None,
    dies: Dies = Dies(),
    ignore: Sequence[LayerNumber] | None = (),
    seconds: float | None = None,
    megabytes: int = foreign.MEGABYTES,
    circles: Circles = "facets",
    facet_tolerance: Um | None = None,
    jobs: int | None = None,
    waivers: Waivers | None = None,
    baseline: Baseline | None = None,
    progress: Callable[[str], None] | None = None,
    cache: Cache | None = None,
    cluster: str = "",
    reading: foreign.Reading | None = None,
) -> Checked:
    """Run a process's rules (those of `rules` alone, where given) on a GDSII or OASIS file.

    `ignore` are layers that the process does not know; None: all of them. A rule on a reserved layer that neither the
    file has nor `dies` supplies is skipped. `jobs`: in how many processes at most; None: one for each core; the
    findings are the same. `cluster`: address of the scheduler of a Dask cluster that looks at windows. `cache`: what
    earlier runs have found, which this one adds to. `facet_tolerance` (um) lets findings pass that are there only
    because circles are drawn with facets, which are off by that much at most (`layoutgen.drc.facets`); not with circles
    measured as such. `waivers` and `baseline`: what else may pass. `reading`: of the file, if it has begun.

    Raises:
        InputError: the file cannot be read or is empty, has no cell `top` or several top cells, a layer that the
            process does not know, or a reserved layer that `dies` supplies, too; or a facet tolerance is given for
            circles that are measured as such.
        UnknownNameError: the process has no such flow or rule.
    """
    flow_name, _ = pdk.flow(flow)
    pdk = pdk.in_flow(flow_name)
    if facet_tolerance is not None and circles == "analytic":
        message = "circles that are measured as such have no facets; leave out --facet-tolerance or --circles analytic"
        raise InputError([Problem(str(path), "", message)])
    for rule in sorted(rules or ()):
        if rule not in pdk.rules:
            raise UnknownNameError("rule", rule, pdk.rules, where=f"PDK {pdk.name!r}")
    if progress:
        progress("reading")
    reading = reading or foreign.Reading(path, seconds=seconds, megabytes=megabytes)
    with reading:
        layout = reading.layout()
        digest = _digest(path) if cache is not None else ""
        if not reading.is_as_it_was():
            digest = ""  # it may be of what has been written since
    cell, notes = prepare(layout, path, pdk, top=top, dies=dies, ignore=ignore)
    title = printable(f"{path.name}, cell {cell.name}", 200)
    digest = digest and f"{digest} {cell.name!r} {dies} {pdk.cut}"
    report = check_layout(
        layout, cell, pdk, flow_name, title=title, rules=rules, circles=circles, jobs=jobs, progress=progress,
        cache=cache, digest=digest, cluster=cluster,
    )  # fmt: skip
    if cache is not None:
        cache.save()
    report = in_dies(report, layout, cell, pdk)
    if facet_tolerance is not None:
        report = facets.let_pass(report, pdk, partial(_shapes, layout, cell, pdk), facet_tolerance)
    missing = {name for name in pdk.reserved if _empty(layout, cell, pdk.gds(name))}
    results = [_skipped(result, pdk, flow_name, rules, missing) for result in report.results]
    if rules is None:
        results += _undrawn(layout, cell, pdk, flow_name, results)
    report = replace(report, results=tuple(results), scope=(*report.scope, *notes))
    return Checked(let_pass(report, layout, cell, waivers, baseline), cell.name, path, layout)


def let_pass(
    report: Report, layout: kdb.Layout, top: kdb.Cell, waivers: Waivers | None, baseline: Baseline | None
) -> Report:
    """The report with what a file of waivers lets pass, and then what a baseline has already."""
    if waivers is not None:
        report = waivers.apply(report, layout, top)
    return report if baseline is None else baseline.apply(report)


def prepare(
    layout: kdb.Layout, path: Path, pdk: Pdk, *, top: str, dies: Dies, ignore: Sequence[LayerNumber] | None
) -> tuple[kdb.Cell, list[str]]:
    """The cell of a file to look at, with the reserved layers that `dies` supplies drawn; and what there is to say.

    Raises:
        InputError: the file has no such cell, nothing in it that the process knows, a layer that it does not know, or
            nothing but the data of a mask.
    """
    cell = foreign.top_cell(layout, str(path), top)
    if cell.bbox().empty():
        raise InputError([Problem(str(path), "", f"cell {printable(cell.name, 60)!r} is empty; name another one")])
    drawn = _drawn(layout, cell)
    mask, strange = part.one_mask(path, pdk, drawn)
    if strange:
        raise InputError([Problem(str(path), "", f"{mask}, or name another PDK")])
    ignored = _ignored(drawn, pdk, str(path), ignore)
    empty = {name for name in pdk.reserved if _empty(layout, cell, pdk.gds(name))}
    notes = [*_supply(layout, cell, pdk, dies, str(path))]
    notes += filter(None, [mask, part.one_die(path, pdk, empty)])
    if ignored:
        notes.append(f"Not looked at: {', '.join(f'{n}/{d}' for n, d in ignored)}")
    return cell, notes


def _digest(path: Path) -> str:
    """Of the bytes of a file; empty where it cannot be read, which reading it says better."""
    with suppress(OSError):
        return digest_of_file(path)
    return ""


def _shapes(layout: kdb.Layout, cell: kdb.Cell, pdk: Pdk, layer: str) -> kdb.Region:
    """All that is drawn on a layer."""
    return kdb.Region(cell.begin_shapes_rec(layout.layer(*pdk.gds(layer))))


def _empty(layout: kdb.Layout, cell: kdb.Cell, number: LayerNumber) -> bool:
    """Whether nothing with an area is on a layer."""
    index = layout.find_layer(*number)
    return index is None or not covers(cell, index)


def _drawn(layout: kdb.Layout, cell: kdb.Cell) -> list[LayerNumber]:
    """The layers on which something is."""
    indexes = {(info.layer, info.datatype): layout.layer(info) for info in layout.layer_infos()}
    return sorted(n for n, index in indexes.items() if not cell.bbox(index).empty())


def _ignored(
    drawn: Sequence[LayerNumber], pdk: Pdk, file: str, ignore: Sequence[LayerNumber] | None
) -> list[LayerNumber]:
    """The layers on which something is that the process does not know, if all of them may be left alone."""
    known = {layer.gds for layer in pdk.drawn_layers.values()} | {d.gds for d in pdk.derived.values() if d.gds}
    strange = [n for n in drawn if n not in known]
    unknown = [] if ignore is None else [n for n in strange if n not in ignore]
    if unknown:
        shown = ", ".join(f"{n}/{d}" for n, d in unknown[:12]) + (", ..." if len(unknown) > 12 else "")
        message = f"PDK {pdk.name!r} knows no layer {shown}; name another PDK, or leave them alone with --ignore"
        raise InputError([Problem(file, "", message)])
    if strange == [*drawn]:
        message = f"nothing is drawn on any layer of PDK {pdk.name!r}; name another PDK, or another cell with --top"
        raise InputError([Problem(file, "", message)])
    return strange


def _supply(layout: kdb.Layout, cell: kdb.Cell, pdk: Pdk, dies: Dies, file: str) -> Iterator[str]:
    """Draw what `dies` says on the reserved layers, in a cell of its own; says what it drew."""
    if dies.box is None and dies.layer is None:
        return
    problems = [
        Problem(file, "", f"has layer {name!r} ({number[0]}/{number[1]}) already; leave --die, --step and --cut out")
        for name in pdk.reserved
        if _supplied(name) and not _empty(layout, cell, number := pdk.gds(name)) and number != dies.layer
    ]
    if dies.layer is not None and _empty(layout, cell, dies.layer):
        message = f"layer {dies.layer[0]}/{dies.layer[1]}, which outlines the dies, is empty; name another with --die"
        problems.append(Problem(file, "", message))
    if problems:
        raise InputError(problems)
    made = layout.create_cell("RESERVED")
    if dies.layer is not None:
        outlines = kdb.Region(cell.begin_shapes_rec(layout.layer(*dies.layer))).merged()
        made.shapes(layout.layer(gds.layer_info(pdk, "die"))).insert(outlines)
        cell.insert(kdb.CellInstArray(made.cell_index(), kdb.Trans()))
        yield f"Dies as outlined on layer {dies.layer[0]}/{dies.layer[1]}"
        return
    for layer, points in _step(pdk, dies):
        if layer in pdk.reserved:
            made.shapes(layout.layer(gds.layer_info(pdk, layer))).insert(gds.polygon(to_dbu(points)))
    x, y = dies.step or (0.0, 0.0)
    columns, rows = dies.count
    cell.insert(
        kdb.CellInstArray(made.cell_index(), kdb.Trans(), kdb.Vector(dbu(x), 0), kdb.Vector(0, dbu(y)), columns, rows)
    )
    yield f"Dies as given: {columns} x {rows}, the first at {', '.join(f'{v:g}' for v in dies.box or ())} um"


def _supplied(layer: str) -> str:
    """The options that supply a reserved layer; empty: none do."""
    return OPTIONS.get(layer.partition("@")[0], "")


def _step(pdk: Pdk, dies: Dies) -> Iterator[tuple[str, list[list[float]]]]:
    """Layer and corners of a die, and of the street and kerf around it."""
    assert dies.box is not None  # noqa: S101  what calls this has looked
    x0, y0, x1, y1 = dies.box
    yield "die", geom.span(x0, y0, x1, y1).tolist()
    if dies.step is None:
        return
    half_x, half_y = (dies.step[0] - (x1 - x0)) / 2, (dies.step[1] - (y1 - y0)) / 2
    left, bottom, right, top = x0 - half_x, y0 - half_y, x1 + half_x, y1 + half_y
    pieces = ((left, bottom, right, y0), (left, y1, right, top), (left, y0, x0, y1), (x1, y0, right, y1))
    for piece in pieces:
        if piece[2] > piece[0] and piece[3] > piece[1]:
            yield "street", geom.span(*piece).tolist()
    if pdk.cut:
        cut = pdk.cut
        if dies.cut is not None:
            cut = cut.model_copy(update={"kerf_min": dies.cut, "kerf_max": dies.cut})
        for layer, half in cut.bands().items():
            for band in geom.frame((left, bottom, right, top), half) if half > 0 else ():
                yield layer, [list(point) for point in band]


def _skipped(
    result: RuleResult, pdk: Pdk, flow: str, rules: Collection[str] | None, missing: Collection[str]
) -> RuleResult:
    """The result, unless the rule asks for a reserved layer that is not there: then it is skipped."""
    rule = pdk.rules_of(flow).get(result.rule)
    if rules is not None and result.rule not in rules:
        return replace(result, reason=NOT_ASKED)
    if rule is None:
        return result
    lacks = [s for s in dict.fromkeys(s for layer in rule.layers for s in pdk.sources(layer)) if s in missing]
    if not lacks:
        return result
    try:
        subjects = {s for layer in task(result.rule, rule).subjects for s in pdk.sources(layer)}
    except PdkError:
        return result  # it failed, and says why
    if result.status is Status.NOT_APPLICABLE and not subjects & {*lacks}:
        return result  # nothing to check, wherever the dies are
    number = pdk.gds(lacks[0])
    by = _supplied(lacks[0])
    mend = f"give it with {by}" if by and "die" in missing else f"draw it on {number[0]}/{number[1]}"
    return replace(
        result, status=Status.SKIPPED, reason=f"there is nothing on layer {lacks[0]!r}: {mend}", findings=(), waived=()
    )


def _undrawn(
    layout: kdb.Layout, cell: kdb.Cell, pdk: Pdk, flow: str, results: Sequence[RuleResult]
) -> Iterator[RuleResult]:
    """A failure for each layer that the flow must draw and did not, unless a rule has failed for it."""
    told = " ".join(r.reason for r in results if r.status is Status.FAILED)
    for layer in pdk.flows[flow].draws:
        if layer in pdk.drawn_layers and _empty(layout, cell, pdk.gds(layer)) and f"layer {layer!r}" not in told:
            reason = f"flow {flow!r} must draw layer {layer!r}, and nothing is on it"
            yield RuleResult(f"DRAWN.{layer}", f"layer {layer} is drawn. The flow says so", Status.FAILED, reason)
