"""What becomes of the beams of one die: a table, and a map coloured by displacement over that at which they yield."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import klayout.db as kdb
import numpy as np

from layoutgen import gds
from layoutgen.drc.checks import task
from layoutgen.drc.checks.bending import KIND, TOO_FAR, Bending, bend, options_of
from layoutgen.findings import Hull
from layoutgen.pdk import Pdk
from layoutgen.units import DBU, Um

COLUMNS = (
    "x_um", "y_um", "distance_um", "displacement_um", "ratio", "yields", "stress_MPa", "force_mN",
    "yield_displacement_um", "limit_force_mN", "remark",
)  # fmt: skip
SIDE, PANEL, HEAD, MARGIN = 1000.0, 460.0, 80.0, 60.0
STEPS = (0.25, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0)
"""Upper ends of the bins of the ratio; the last is open."""
HEAT = ("#2c7fb8", "#3fa7a0", "#7fbf5a", "#c9c23a", "#f0a52e", "#e8772a", "#b8482a", "#7a2d1a")


@dataclass(frozen=True)
class StressMap:
    """The beams of one die by one rule: their outlines (dbu), places (n, 2) in um, and what becomes of them."""

    rule: str
    limit: float
    hulls: list[Hull]
    at: np.ndarray[tuple[int, ...], np.dtype[np.float64]]
    bending: Bending
    outline: kdb.Box


def stress_maps(layout: kdb.Layout, die: kdb.Cell, pdk: Pdk, flow: str) -> list[StressMap]:
    """A map for each rule on bending of a flow, of the die in a cell; none of a rule whose layers are empty there."""
    out = []
    found = gds.fetch(layout, pdk, die)
    for name, rule in pdk.rules_of(flow).items():
        if rule.check != KIND.name:
            continue
        job = task(name, rule)
        beams, dies = (pdk.region(layer, found).merged() for layer in job.layers)
        if beams.is_empty() or dies.is_empty():
            continue
        shapes = list(beams.each())
        hulls: list[Hull] = [tuple((p.x, p.y) for p in shape.each_point_hull()) for shape in shapes]
        still = [np.zeros((1, 2), dtype=np.int64)] * len(shapes)
        bending = bend(hulls, still, [shape.holes() > 0 for shape in shapes], dies, options_of(job))
        boxes = [shapes[i].bbox() for i in bending.shape.tolist()]
        at = np.array([((b.left + b.right) / 2, (b.bottom + b.top) / 2) for b in boxes]).reshape(-1, 2) * DBU
        out.append(StressMap(name, job.limit or 1.0, hulls, at, bending, dies.bbox()))
    return out


def table(found: StressMap) -> Iterator[list[str]]:
    """Rows of the table, in the order of `COLUMNS`; stress and force are empty where a beam yields: none is real."""
    bent = found.bending.bent
    for i, (x, y) in enumerate(found.at.tolist()):
        values = [
            float(np.hypot(*found.bending.arms[i])), bent.displacement[i], bent.ratio[i], bent.stress[i], bent.force[i],
            bent.yield_displacement[i], bent.limit_force[i],
        ]  # fmt: skip
        far, moved, ratio, *rest = ("" if not np.isfinite(v) else f"{v:.6g}" for v in values)
        why = found.bending.wrong[int(found.bending.shape[i])] or (TOO_FAR if found.bending.far[i] else "")
        yields = "" if why else "yes" if bent.yields[i] else "no"
        yield [f"{x:.3f}", f"{y:.3f}", far, moved, ratio, yields, *rest, why]


def csv_text(found: StressMap) -> str:
    """The table as CSV."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(table(found))
    return out.getvalue()


def draw(path: Path, found: StressMap) -> None:
    """Draw a map into a PNG file.

    Raises:
        OutputError: it could not be written.
    """
    from layoutgen.report.page import GREY, INK, RED, Page, nice

    box, bent = found.outline, found.bending.bent
    scale = SIDE / (max(box.width(), box.height()) * DBU)
    wide, high = box.width() * DBU * scale, box.height() * DBU * scale
    height = max(600.0, high + HEAD + 2 * MARGIN)
    page = Page(
        wide + 3 * MARGIN + PANEL, height, scale, (MARGIN - box.left * DBU * scale, MARGIN - box.bottom * DBU * scale)
    )
    page.box(MARGIN - 2, MARGIN - 2, MARGIN + wide + 2, MARGIN + high + 2, GREY, 0)
    page.box(MARGIN, MARGIN, MARGIN + wide, MARGIN + high, "#ffffff", 1)
    centre = page.at(box.center().x * DBU, box.center().y * DBU)
    for dx, dy in ((12.0, 0.0), (0.0, 12.0)):
        page.line([(centre[0] - dx, centre[1] - dy), (centre[0] + dx, centre[1] + dy)], 3.0, INK, 2)
    bins = np.searchsorted(STEPS, bent.ratio - 1e-9)
    known = np.isfinite(bent.ratio)
    for i, (x, y) in enumerate(found.at.tolist()):
        hull = np.array(found.hulls[int(found.bending.shape[i])]) * DBU
        size: Um = float(np.ptp(hull, axis=0).max()) / 2
        colour = HEAT[bins[i]] if known[i] else RED
        page.disc(page.at(x, y), max(9.0, size * scale), colour, 3)
    x, y = 2 * MARGIN + wide, height - HEAD - 30
    page.text(f"{found.rule}: displacement / that at which it yields", (MARGIN, height - HEAD + 24), 20, INK)
    page.text("up to 1: stress / yield stress", (x, y), 14, INK)
    counts = np.bincount(bins[known], minlength=len(HEAT))
    lows = (0.0, *STEPS)
    for k, (colour, count) in enumerate(zip(HEAT, counts.tolist(), strict=True)):
        y -= 28
        page.box(x, y - 2, x + 24, y + 16, colour, 3)
        words = f"{lows[k]:g} to {STEPS[k]:g}" if k < len(STEPS) else f"above {STEPS[-1]:g}"
        page.text(words, (x + 36, y), 14, INK)
        page.text(f"{count}", (x + PANEL - 20, y), 14, INK, align=1.0)
    if not known.all():
        y -= 28
        page.box(x, y - 2, x + 24, y + 16, RED, 3)
        page.text("no beam", (x + 36, y), 14, INK)
        page.text(f"{int((~known).sum())}", (x + PANEL - 20, y), 14, INK, align=1.0)
    page.text("cross: what does not move", (x, y - 34), 14, INK)
    y -= 84
    if known.any():
        worst = int(np.nanargmax(bent.ratio))
        at = found.at[worst]
        lines = [
            f"highest {bent.ratio[worst]:.3g} of {found.limit:g}", f"at {at[0]:.0f} {at[1]:.0f} um",
            f"displaced by {bent.displacement[worst]:.3g} um",
            f"yields from {bent.yield_displacement[worst]:.3g} um on",
            f"bears {bent.limit_force[worst] / 1000:.3g} N at most",  # capitals only: mN would read as MN
        ]  # fmt: skip
        if not bent.yields[worst]:
            lines.append(f"stress {bent.stress[worst]:.3g} MPa")
        for line in lines:
            page.text(line, (x, y), 14, INK)
            y -= 26
    length = nice(box.width() * DBU / 4)
    page.box(MARGIN, MARGIN / 2, MARGIN + length * scale, MARGIN / 2 + 5, INK, 3)
    page.text(f"{length:g} um", (MARGIN + length * scale + 12, MARGIN / 2 - 4), 14, INK)
    page.write(path)
