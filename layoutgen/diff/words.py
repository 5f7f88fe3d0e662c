"""A difference in words and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from layoutgen.diff.compare import Difference
from layoutgen.diff.spots import Text
from layoutgen.errors import printable

SHOWN = 10
"""Texts and cells that are listed; all of them are in JSON."""
HEAD = ("layer", "only in A (um2)", "places", "only in B (um2)", "places", "largest at (um)")


def lines(found: Difference, *, cells: bool = True) -> Iterator[str]:
    """A table of the layers that differ, texts and cells, and at the end what it comes to; `cells`: whether they
    count."""
    if found.units[0] != found.units[1]:
        yield f"database unit: {found.units[0]:g} um in A, {found.units[1]:g} um in B"
    rows = [HEAD, *_rows(found)]
    if found.layers:
        widths = [max(len(row[i]) for row in rows) for i in range(len(HEAD))]
        for row in rows:
            yield "  ".join(f"{cell:>{w}}" if 0 < i < 5 else f"{cell:{w}}" for i, (cell, w) in enumerate(
                zip(row, widths, strict=True))).rstrip()  # fmt: skip
    yield from _texts("A", found.texts_a)
    yield from _texts("B", found.texts_b)
    for words, names in (
        ("cells only in A", found.removed),
        ("cells only in B", found.added),
        ("cells under another name", [f"{a} -> {b}" for a, b in found.renamed]),
        ("cells that differ themselves", found.changed),
    ):
        if names:
            yield f"{words}: {len(names)}: {_some(names)}"
    yield verdict(found, cells=cells)


def verdict(found: Difference, *, cells: bool = True) -> str:
    """One line: same or different, and in what."""
    what = []
    if found.units[0] != found.units[1]:
        what.append("the database unit")
    if found.layers:
        what.append(f"{len(found.layers)} of {len(found.compared)} layers")
    if count := len(found.texts_a) + len(found.texts_b):
        what.append(f"{count} texts")
    changes = len(found.added) + len(found.removed) + len(found.renamed) + len(found.changed)
    if cells and changes:
        what.append(f"{changes} cells")
    if what:
        return f"different: {', '.join(what)}"
    return f"same: {len(found.compared)} layers{', cells aside' if changes else ''}"


def as_json(found: Difference, *, cells: bool = True) -> dict[str, Any]:
    """All of it as plain values: areas in um2, lengths in um."""
    same = found.same if cells else found.same_shapes
    return {
        "version": 1,
        "same": same,
        "summary": verdict(found, cells=cells),
        "units": list(found.units),
        "tops": list(found.tops),
        "layers_compared": [list(n) for n in found.compared],
        "layers": [
            {
                "layer": list(d.layer), "only_a_um2": round(d.areas[0], 6), "only_b_um2": round(d.areas[1], 6),
                "places_a": d.places[0], "places_b": d.places[1], "box": list(d.box), "largest": list(d.largest),
            }
            for d in found.layers
        ],
        "texts": {side: [{"layer": list(n), "text": printable(t), "at": list(at)} for n, t, at in texts]
                  for side, texts in (("only_a", found.texts_a), ("only_b", found.texts_b))},
        "cells": {
            "only_a": [printable(n) for n in found.removed],
            "only_b": [printable(n) for n in found.added],
            "renamed": [[printable(a), printable(b)] for a, b in found.renamed],
            "changed": [printable(n) for n in found.changed],
        },
    }  # fmt: skip


def _rows(found: Difference) -> Iterator[tuple[str, ...]]:
    for d in found.layers:
        x0, y0, x1, y1 = d.largest
        (area_a, area_b), (places_a, places_b) = d.areas, d.places
        yield (
            f"{d.layer[0]}/{d.layer[1]}", f"{area_a:.6g}", str(places_a), f"{area_b:.6g}", str(places_b),
            f"({(x0 + x1) / 2:.3f}, {(y0 + y1) / 2:.3f})",
        )  # fmt: skip


def _texts(side: str, texts: Sequence[Text]) -> Iterator[str]:
    if texts:
        shown = [f"{printable(t, 60)!r} on {n[0]}/{n[1]} at ({x:.3f}, {y:.3f})" for n, t, (x, y) in texts]
        yield f"texts only in {side}: {len(texts)}: {_some(shown)}"


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(printable(name, 120) for name in names[:SHOWN])
    return shown + (f", ... and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
