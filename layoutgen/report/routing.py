"""The numbers of a routing (`routing_table`) in words: Markdown, CSV and plain data."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from layoutgen.report.markdown import safe
from layoutgen.report.routing_table import MatchedRow, NetRow, Totals, matched_table, totals
from layoutgen.route import Bottleneck, RoutePlan, RouteProblem, Unrouted
from layoutgen.route.why import place_of
from layoutgen.units import DBU, Ohm

LISTED = 25
"""Nets in the report's list of the longest."""
COLUMNS = (
    "net", "terminals", "links", "unrouted", "length", "straight", "ratio", "bends", "resistance", "ties", "untied",
    "tie_length", "layers", "vias",
)  # fmt: skip


def missing_end(u: Unrouted) -> str:
    """Where a missing link should go: a terminal, the die's edge, or what is free."""
    kind, _, group = u.end.partition(" of ")
    if u.tie:
        return "the die edge"
    if kind in ("balls", "pads"):
        return f"any free {kind[:-1]}{f' of {group}' if group else ''}"
    return u.end or "any free ball"


def unrouted_line(u: Unrouted) -> str:
    """What stayed unrouted, and why, in one line."""
    return f"{u.net}: {u.start} to {missing_end(u)}: {u.reason}"


def bottleneck_line(b: Bottleneck) -> str:
    """A bottleneck in one line."""
    nets = f" ({', '.join(b.nets)} left)" if b.nets else ""
    return f"{place_of(b)}: room for {b.capacity}, {b.demand} want to cross{nets}"


def matched_line(m: MatchedRow) -> str:
    """A group of matched nets in one line."""
    nets = ", ".join(m.nets)
    if not m.complete:
        return f"{nets}: not all routed, so not matched"
    said = f"{nets}: {m.shortest:.1f} to {m.longest:.1f} um long, {m.spread:.3f} um apart, {m.within:g} um wanted"
    return f"{said}: met" if m.met else "; ".join((f"{said}: missed", *m.why))


def summary(sums: Totals) -> str:
    """A routing in one line."""
    ratio = f" ({sums.ratio:.3f} x straight)" if sums.ratio else ""
    return (
        f"{sums.nets} nets, {sums.links} links, {sums.length / 1000:.2f} mm{ratio}, {sums.ties} ties, "
        f"{sums.unrouted + sums.untied} missing"
    )


def ohms(value: Ohm | None) -> str:
    """A resistance in mOhm, or a dash."""
    return "-" if value is None else f"{value * 1000:.1f}"


def csv_text(rows: Iterable[NetRow]) -> str:
    """The table as CSV: lengths in um with 3 decimals, resistance in ohm with 6, empty where there is none."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for r in rows:
        writer.writerow([
            r.net, r.terminals, r.links, r.unrouted, f"{r.length:.3f}", f"{r.straight:.3f}",
            "" if r.ratio is None else f"{r.ratio:.4f}", r.bends, "" if r.resistance is None else f"{r.resistance:.6f}",
            r.ties, r.untied, f"{r.tie_length:.3f}", " ".join(str(z + 1) for z in r.layers), r.vias,
        ])  # fmt: skip
    return out.getvalue()


def plain(problem: RouteProblem, plan: RoutePlan, rows: Sequence[NetRow]) -> dict[str, Any]:
    """A routing as numbers, texts and lists: totals, nets, wires, vias, what is missing and why. Lengths in um."""
    return {
        "totals": _rounded(asdict(totals(rows))),
        "nets": [_rounded(asdict(r)) for r in rows],
        "matched": [
            {"nets": [*m.nets], "within": m.within, "spread": round(m.spread, 3), "met": m.met, "why": [*m.why]}
            for m in matched_table(problem, rows, plan.missed)
        ],
        "unrouted": [
            {"net": u.net, "start": u.start, "end": u.end, "tie": u.tie, "reason": u.reason} for u in plan.unrouted
        ],
        "bottlenecks": [
            {"lines": [[[*p] for p in line] for line in b.lines], "capacity": b.capacity, "demand": b.demand,
             "nets": [*b.nets], "layer": b.layer + 1}
            for b in plan.bottlenecks
        ],
        "tie_bound": plan.tie_bound,
        "wires": [
            {"net": w.net, "start": w.start, "end": w.end, "tie": w.tie, "width": w.width, "layer": w.layer + 1,
             "points": [[round(x * DBU, 3), round(y * DBU, 3)] for x, y in w.points]}
            for w in plan.wires
        ],
        "vias": [{"net": v.net, "at": [v.x, v.y]} for v in plan.vias],
    }  # fmt: skip


def _rounded(table: dict[str, Any]) -> dict[str, Any]:
    """Floats to what they mean: nm, uOhm and parts of a million; layers are counted from 1."""
    fine = {"ratio": 6, "resistance": 6}
    out = {k: round(v, fine.get(k, 3)) if isinstance(v, float) else v for k, v in table.items()}
    return out | ({"layers": [z + 1 for z in table["layers"]]} if "layers" in table else {})


def markdown(
    name: str, problem: RouteProblem, plan: RoutePlan, rows: Sequence[NetRow], notes: Sequence[str] = ()
) -> str:
    """The report to read: totals, what is missing and why, matched groups, the longest nets."""
    sums = totals(rows)
    groups = matched_table(problem, rows, plan.missed)
    complete = plan.complete and all(m.met for m in groups)
    out = [f"# {safe(name)}: {'complete' if complete else 'not complete'}", "", f"{summary(sums)}.", ""]
    x0, y0, x1, y1 = problem.bounds
    out += [
        f"- die {x1 - x0:g} x {y1 - y0:g} um, wires {problem.width:g} um wide and {problem.space:g} um apart, "
        f"{problem.style}, {problem.layers} metal layer{'s' * (problem.layers > 1)}",
        f"- wires {sums.length:.1f} um; straight lines of all nets {sums.straight:.1f} um",
    ]
    if problem.ties:
        bound = (
            "" if plan.tie_bound is None else f"; no more than {plan.tie_bound} can leave the die on the first layer"
        )
        out.append(f"- {sums.ties} of {sums.ties + sums.untied} tied, ties {sums.tie_length:.1f} um{bound}")
    out += [f"- {safe(note)}" for note in notes]
    if plan.unrouted:
        out += ["", "## What is missing, and why", ""]
        out += [f"- {safe(unrouted_line(u))}" for u in plan.unrouted]
    if plan.bottlenecks:
        out += ["", "## Where it is too narrow", "", "More room across these lines, or fewer wires, would help:", ""]
        out += [f"- {safe(bottleneck_line(b))}" for b in plan.bottlenecks]
    if groups:
        out += ["", "## Matched nets", "", *(f"- {safe(matched_line(m))}" for m in groups)]
    listed = sorted(rows, key=lambda r: -r.length)[:LISTED]
    title = "All nets" if len(listed) == len(rows) else f"The {len(listed)} longest of {len(rows)} nets"
    out += ["", f"## {title}", "", "All of them with more columns: nets.csv.", ""]
    out += ["| Net | Terminals | Length (um) | Straight (um) | Ratio | Resistance (mOhm) | Tie (um) |"]
    out += ["|---|---|---|---|---|---|---|"]
    for r in listed:
        ratio = "-" if r.ratio is None else f"{r.ratio:.3f}"
        tie = f"{r.tie_length:.1f}" if r.ties else "-"
        cells = (safe(r.net), str(r.terminals), f"{r.length:.1f}", f"{r.straight:.1f}", ratio, ohms(r.resistance), tie)
        out.append(f"| {' | '.join(cells)} |")
    return "\n".join(out) + "\n"
