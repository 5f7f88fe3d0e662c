"""What goes to the mask shop, to KLayout and to CI: a built mask set as files in one folder, whole or not at all.

Everything is written beside the folder first, read back, and only then put in its place, the manifest last.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from layoutgen import areas, drill, gds, technology
from layoutgen.current import Prediction
from layoutgen.cuts import csv_text as cuts_text
from layoutgen.cuts import singulation
from layoutgen.errors import OutputError
from layoutgen.mask import mask_layout
from layoutgen.maskset import MaskSet
from layoutgen.report import (
    bending,
    json_form,
    junit,
    lyrdb,
    manifest,
    markdown,
    mismatch,
    open_areas,
    plating,
    sarif,
    sections,
    values,
)
from layoutgen.report.routing import bottleneck_line, csv_text, unrouted_line
from layoutgen.report.routing import markdown as routing_markdown
from layoutgen.report.routing_table import chip_table
from layoutgen.units import Um

Progress = Callable[[str], None]
NOT_SHOWN = ("cut_sure", "cut_maybe", "street")
"""Reserved layers that would cover what pictures are for."""


def write(
    built: MaskSet, folder: Path, *, previews: bool = True, prediction: Prediction | None = None,
    progress: Progress = lambda _: None,
) -> list[Path]:  # fmt: skip
    """Write a mask set into `folder` (made if need be), and return the files, the manifest last.

    prediction: what `current.predicted` predicts for it; None: nothing of that is written.
    Files that an earlier manifest names and this one does not are removed; others in the folder are left alone.

    Raises:
        OutputError: something could not be written; what stood in the folder is unchanged.
    """
    with staging(folder) as beside:
        files = list(_write_all(built, beside, previews, prediction, progress))
        progress("writing manifest.json")
        _write_manifest(built, beside, files, prediction)
        return put_in_place(beside, folder, [*files, "manifest.json"])


def _write_all(
    built: MaskSet, folder: Path, previews: bool, prediction: Prediction | None, progress: Progress
) -> Iterator[str]:  # fmt: skip
    """Each file written, by its name in the folder."""
    name, pdk, layout = built.name, built.pdk, built.layout
    for file, cell in ((f"{name}_wafer.oas", None), (f"{name}_wafer.gds", None), (f"{name}_die.gds", "DIE")):
        progress(f"writing {file}")
        gds.save(layout, folder / file, layout.cell(cell) if cell else None)
        yield file
    for mask_name, mask in pdk.masks_of(built.flow).items():
        progress(f"writing mask {mask_name}")
        gds.save(mask_layout(layout, pdk, mask_name, mask), folder / mask_file(name, mask_name))
        yield mask_file(name, mask_name)
    progress("writing reports")
    cuts_through = _sections(built) if previews else []
    also = open_areas.markdown(built.areas, prediction.line if prediction else "") + sections.markdown(cuts_through)
    texts = {
        f"{pdk.name}.lyp": technology.layer_properties(pdk),
        f"{pdk.name}.lyt": technology.technology(pdk),
        "masks/masks.lyp": technology.mask_properties(pdk, built.flow),
        "results.xml": junit.text(built.report, pdk),
        "results.md": markdown.text(built.report, pdk, also),
        "results.json": json_form.text(built.report, pdk),
        "results.sarif": sarif.text(built.report, pdk, f"{name}_wafer.oas", layout.top_cell().name),
        "areas.csv": areas.csv_text(built.areas),
    }
    if prediction and prediction.found:
        texts["plating/posts.csv"] = prediction.found.csv()
    die = built.die
    if die.problem and die.plan:
        rows = chip_table(die.problem, die.plan, pdk)
        texts["routing/nets.csv"] = csv_text(rows)
        texts["routing/report.md"] = routing_markdown(name, die.problem, die.plan, rows)
    if found := values.rows(built.step.full):
        texts["values.csv"], texts["values.md"] = values.csv_text(found), values.markdown(found)
    maps = bending.stress_maps(layout, layout.cell("DIE"), pdk, built.flow)
    texts |= {f"bending/{m.rule}.csv": bending.csv_text(m) for m in maps}
    if moves := mismatch.mismatch_map(layout, layout.cell("DIE"), pdk):
        texts["mismatch/map.csv"] = mismatch.csv_text(moves)
    for drill_name, holes in built.holes.items():
        texts[f"{hole_file(name, drill_name)}.csv"] = drill.csv_text(holes)
        texts[f"{hole_file(name, drill_name)}.drl"] = drill.excellon(holes)
    if built.cuts and pdk.cut:
        texts["cuts.csv"] = cuts_text(built.cuts, pdk.cut)
    for file, text in texts.items():
        gds.write_text(folder / file, text)
        yield file
    with gds.whole_file(folder / "drc.lyrdb") as temporary:
        lyrdb.write(built.report, layout.top_cell().name, temporary)
    yield "drc.lyrdb"
    if previews:
        for m in maps:
            bending.draw(folder / f"bending/{m.rule}.png", m)
            yield f"bending/{m.rule}.png"
        if moves:
            mismatch.draw(folder / "mismatch/map.png", moves)
            yield "mismatch/map.png"
        if prediction and prediction.found:
            progress("drawing the plating")
            plating.draw_wafer(folder / "plating/resistance.png", name, prediction.found)
            plating.draw_wafer(folder / "plating/thickness.png", name, prediction.found, "thickness")
            plating.draw_die(folder / "plating/worst_die.png", name, prediction.found)
            yield from (f"plating/{picture}.png" for picture in ("resistance", "thickness", "worst_die"))
        progress("drawing cross-sections")
        yield from sections.write(cuts_through, layout, pdk, built.flow, folder)
        yield from _previews(built, folder, progress)


def _sections(built: MaskSet) -> list[sections.Line]:
    """Where the cross-sections run: through the die that stands for all."""
    chip = built.spec.chip
    return sections.lines(
        built.layout, built.layout.cell("DIE"), built.pdk, built.flow, at=built.grid.at(built.grid.typical),
        size=(chip.width, chip.height), street=built.spec.street, ports=built.die.ports,
    )  # fmt: skip


def mask_file(name: str, mask: str) -> str:
    """Where one mask's data goes."""
    return f"masks/{name}_{mask}.gds"


def hole_file(name: str, table: str) -> str:
    """Where one table of holes goes, but for its ending."""
    return f"masks/{name}_{table}"


def _previews(built: MaskSet, folder: Path, progress: Progress) -> Iterator[str]:
    from layoutgen.report import snapshots
    from layoutgen.report.preview import Picture, render
    from layoutgen.report.routing_picture import draw_picture

    if built.report.findings:
        progress("drawing findings")
        drawn = snapshots.draw(built.report, built.pdk, built.layout, built.layout.top_cell(), folder, "findings/")
        yield from (s.file for s in drawn)
    progress("drawing previews")
    name, pdk, chip = built.name, built.pdk, built.spec.chip
    wafer, properties = folder / f"{name}_wafer.oas", folder / f"{pdk.name}.lyp"
    margin, radius = max(built.spec.street) / 2, built.rim.diameter / 2 * 1.01
    x, y = built.grid.at(built.grid.typical)
    die = _box(x, y, x + chip.width, y + chip.height, margin)
    at_levels = (name for name in pdk.reserved if name.partition("@")[0] in NOT_SHOWN)
    not_shown = (name for name, layer in pdk.layers.items() if not layer.shown)
    hidden = (*dict.fromkeys((*NOT_SHOWN, *at_levels, *not_shown)), pdk.roles.get("note", ""))
    on_no_mask = (*(n for n, layer in pdk.layers.items() if layer.drawn is None), *pdk.derived)
    spots = [("pad", m.x, m.y, 120.0) for m in chip.pads[len(chip.pads) // 2 :][:1]]
    spots += [("ball", m.x, m.y, 250.0) for m in chip.balls[:1]]
    pictures = [
        Picture("preview/wafer.png", (-radius, -radius, radius, radius), (*hidden, *on_no_mask, "die")),
        Picture("preview/die.png", die, hidden),
        *(Picture(f"preview/{n}.png", _box(x + u, y + v, x + u, y + v, r), hidden) for n, u, v, r in spots),
    ]
    render(wafer, properties, pictures, folder)
    yield from (p.file for p in pictures)
    if built.die.problem and built.die.plan:
        problem, plan = built.die.problem, built.die.plan
        rows = chip_table(problem, plan, pdk)
        draw_picture(folder / "preview/route.png", name, problem, plan, built.die.metal, rows)
        yield "preview/route.png"
    for mask_name, mask in pdk.masks_of(built.flow).items():
        shown = die if mask.side == "front" else (-die[2], die[1], -die[0], die[3])
        picture = Picture(f"preview/mask_{mask_name}.png", shown)
        render(folder / mask_file(name, mask_name), folder / "masks/masks.lyp", [picture], folder)
        yield picture.file


def _box(x0: Um, y0: Um, x1: Um, y1: Um, margin: Um) -> tuple[Um, Um, Um, Um]:
    return x0 - margin, y0 - margin, x1 + margin, y1 + margin


def _write_manifest(built: MaskSet, folder: Path, files: list[str], prediction: Prediction | None) -> None:
    spec = built.spec
    inputs = {spec.path.name: spec.path}
    for file in (*spec.file.chip.files, *spec.row_files):
        inputs[file] = spec.path.parent / file
    if built.waivers is not None:
        inputs[built.waivers.name] = built.waivers
    for source in (file for f in spec.cell_folders for file in sorted(f.glob("*.py"))):
        inputs[f"{source.parent.name}/{source.name}"] = source
    masks = built.pdk.masks_of(built.flow)
    text = manifest.text(
        name=built.name, inputs=inputs, build=figures(built), masks=masks,
        mask_files={m: mask_file(built.name, m) for m in masks},
        drills={
            table: {
                "title": asked.title, "data": asked.data, "aligns_to": asked.aligns_to,
                "files": [f"{hole_file(built.name, table)}.{ending}" for ending in ("csv", "drl")],
                "tools": list(built.holes[table].tools), "holes": len(built.holes[table].tool),
            }
            for table, asked in built.pdk.drills_of(built.flow).items()
        },
        report=built.report, folder=folder, files=files, prediction=prediction.line if prediction else "",
    )  # fmt: skip
    gds.write_text(folder / "manifest.json", text)


def figures(built: MaskSet) -> dict[str, Any]:
    """The build in numbers, for the manifest and the command line. Lengths in um."""
    chip, plan, grid = built.spec.chip, built.die.plan, built.grid
    routing = {
        "wires": sum(not w.tie for w in plan.wires),
        "ties": sum(w.tie for w in plan.wires),
        "length": round(plan.length(), 3),
        "tie_length": round(plan.length(ties=True), 3),
        "unrouted": [unrouted_line(u) for u in plan.unrouted],
        "bottlenecks": [bottleneck_line(b) for b in plan.bottlenecks],
    } if plan else {}  # fmt: skip
    return {
        "pdk": built.pdk.name,
        "pdk_sha256": hashlib.sha256(built.pdk.model_dump_json().encode()).hexdigest(),
        "flow": built.flow,
        "current": built.pdk.flows[built.flow].current,
        "chip": {
            "name": chip.name, "size": [chip.width, chip.height],
            "pads": len(chip.pads), "balls": len(chip.balls), "nets": len(chip.nets),
        },
        "routing": routing,
        "wafer": {
            "diameter": built.rim.diameter, "edge_exclusion": built.rim.edge_exclusion, "notch": built.rim.notch,
            "flat": built.rim.flat,
            "step": list(built.step.pitch), "street": list(built.spec.street),
            "dies": len(grid.dies), "columns": grid.columns, "rows": grid.rows,
            "mark_sites": [grid.name(place) for place in grid.drop_ins],
        },
        "singulation": singulation(built.pdk.cut) if built.pdk.cut else [],
        "open_areas": {
            a.mask: {
                "die_mm2": round(a.die, 6), "wafer_mm2": round(a.wafer, 6), "ring_mm2": round(a.ring, 6),
                "current_density_A_dm2": a.density,
            }
            for a in built.areas
        },
        "cells": built.cells,
    }  # fmt: skip


@contextmanager
def staging(folder: Path) -> Iterator[Path]:
    """A folder beside the output's own, gone afterwards; leftovers of a build that was killed are swept."""
    try:
        if file := next((p for p in (folder, *folder.parents) if p.exists() and not p.is_dir()), None):
            raise OutputError(f"{file}: is a file; choose another folder with -o")
        folder.parent.mkdir(parents=True, exist_ok=True)
        prefix = f".{folder.name}."
        with _lock(folder):
            for stale in folder.parent.glob(f"{prefix}*.partial"):
                shutil.rmtree(stale, ignore_errors=True)
            beside = Path(tempfile.mkdtemp(prefix=prefix, suffix=".partial", dir=folder.parent))
            try:
                yield beside
            finally:
                shutil.rmtree(beside, ignore_errors=True)
    except OutputError:
        raise
    except (OSError, RuntimeError) as e:  # KLayout reports what it cannot write as a RuntimeError
        reason = e.strerror if isinstance(e, OSError) and e.strerror else str(e)
        raise OutputError(f"{folder}: not written ({reason}); free some space or choose another folder with -o") from e


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """One build at a time may write a folder; a lock ends with its process, however that ends."""
    try:
        import fcntl
    except ImportError:  # no such locks on Windows
        yield
        return
    path = folder.parent / f".{folder.name}.lock"
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OutputError(
                f"{folder}: another build is writing it; wait, or choose another folder with -o"
            ) from None
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def put_in_place(beside: Path, folder: Path, files: list[str]) -> list[Path]:
    """Move every file to its place, the last one last: a JSON file that names the others under `files`.

    What an earlier one of its name names and this one does not is removed.

    Raises:
        OutputError: a folder stands where a file has to go, or the other way round; nothing was moved.
    """
    old = _named_by(folder / files[-1])
    for target in (folder / file for file in files):
        above = next(p for p in target.parents if p.exists())
        if target.is_dir() or not above.is_dir():
            wrong = target if target.is_dir() else above
            raise OutputError(f"{wrong}: is in the way; move it, or choose another folder with -o")
    placed = []
    for file in files:
        target = folder / file
        target.parent.mkdir(parents=True, exist_ok=True)
        (beside / file).replace(target)
        placed.append(target)
    for file in sorted(old - set(files)):
        (folder / file).unlink(missing_ok=True)
        with suppress(OSError):  # a folder of the earlier build that is empty now
            (folder / file).parent.rmdir()
    return placed


def _named_by(index: Path) -> set[str]:
    """Files that an earlier manifest names, as far as they really lie in its folder: it may come from anywhere."""
    try:
        names = json.loads(index.read_text("utf-8"))["files"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return set()
    return {n for n in names if _is_file_in(index.parent, n)} if isinstance(names, dict) else set()


def _is_file_in(folder: Path, name: str) -> bool:
    """Whether a name leads to a file below the folder, no link followed out of it."""
    path = folder / name
    try:
        return path.is_file() and ".." not in path.parts and path.parent.resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError, RuntimeError):
        return False
