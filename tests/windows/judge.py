"""Checks a layout through windows and flat, rule by rule, and says what differs."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import corpus
import equality
import klayout.db as kdb
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from tiny_pdk import plain

from layoutgen import gds
from layoutgen.drc import look
from layoutgen.drc.checks import task
from layoutgen.drc.flat import Flat
from layoutgen.pdk import Pdk, read
from layoutgen.windows import sheet

PDK = plain(
    """rdl = { gds = [1, 0], title = "metal" }
tie = { gds = [1, 1], title = "tie" }
via = { gds = [2, 0], title = "via" }""",
    reserved='die = { gds = [200, 0], title = "die" }',
    derived="""all = { expression = "rdl | tie" }
foot = { expression = "size(via, 2)" }""",
)
RULES = {
    "width": 'layers = ["all"], limit = 10.0',
    "space": 'layers = ["all"], limit = 10.0',
    "space.polygons": 'layers = ["all"], limit = 10.0, between = "polygons"',
    "notch": 'layers = ["all"], limit = 10.0',
    "wide_space": 'layers = ["all"], steps = [{ width = 11.0, run = 30.0, space = 12.0 }]',
    "separation": 'layers = ["via", "tie"], limit = 10.0',
    "enclosure": 'layers = ["foot", "all"], limit = 3.0',
    "overlap": 'layers = ["tie", "rdl"], limit = 8.0',
    "inside": 'layers = ["via", "rdl"]',
    "exact_size": 'layers = ["via"], limit = 8.0',
    "pitch": 'layers = ["via"], limit = 60.0',
    "edge_distance": 'layers = ["via", "die"], limit = 10.0',
    "grid": 'layers = ["rdl"], limit = 0.01',
    "max_width": 'layers = ["tie"], limit = 11.0',
    "area": 'layers = ["via"], limit = 70.0',
    "extension": 'layers = ["tie", "rdl"], limit = 5.0',
    "outside": 'layers = ["via", "tie"]',
    "outside_or_inside": 'layers = ["via", "rdl"], limit = 6.0, inside = 2.0',
    "exact_shape": 'layers = ["via"], shape = "rectangle", size = [8.0, 8.0], tolerance = 0.0',
    "hole_area": 'layers = ["all"], limit = 400.0',
    "angle": 'layers = ["rdl"]',
    "angle.90": 'layers = ["rdl"], step = 90',
    "acute_corner": 'layers = ["all"], limit = 90.5',
    "max_vertices": 'layers = ["all"], limit = 8',
    "aspect_ratio": 'layers = ["via"], limit = 1.2, height = 10.0',
    "count": 'layers = ["rdl", "via"], at_most = 1',
    "centred_on": 'layers = ["via", "rdl"], limit = 4.0',
    "bending": (
        'layers = ["via", "die"], limit = 1.0, height = 30.0, modulus = 130.0, yield_stress = 193.0, swing = 100.0, '
        "die_expansion = 2.6, board_expansion = 16.0"
    ),
    "space.square": 'layers = ["all"], limit = 10.0, metric = "square"',
    "enclosure.opposite": 'layers = ["via", "all"], limit = 4.0, sides = "opposite"',
    "density": 'layers = ["all"], window = 70.0, step = 35.0, max = 60.0',
}


def pdk(folder: Path) -> Pdk:
    """A process of four layers with one rule of most kinds."""
    folder = folder / "tiny"
    folder.mkdir()
    rules = [
        f'"{name}" = {{ check = "{name.split(".")[0]}", {rest}, why = "w", source = "s" }}\n'
        for name, rest in RULES.items()
    ]
    (folder / "pdk.toml").write_text(PDK + "[rules]\n" + "".join(rules), "utf-8")
    return read(folder, lambda name: folder)


@dataclass
class Judge:
    """Compares, and counts what it has seen, so that nobody takes an empty comparison for a proof."""

    pdk: Pdk
    slanted: bool
    counted: bool = False
    """Whether there must be as many findings, too."""
    layouts: int = 0
    found: Counter[str] = field(default_factory=Counter)
    """By rule, layouts with findings."""
    clean: Counter[str] = field(default_factory=Counter)
    """By rule, layouts without."""

    def differences(self, layout: kdb.Layout, flat: kdb.Layout | None = None) -> Iterator[str]:
        """Of each rule, what windows find and a flat run does not, or the other way round; flat: of another layout."""
        self.layouts += 1
        jobs = [task(name, rule) for name, rule in self.pdk.rules.items()]
        top = layout.top_cell()
        whole = Flat(self.pdk, gds.fetch(flat or layout, self.pdk, (flat or layout).top_cell()))
        with look.Across(self.pdk, layout, top, jobs) as across:
            for job in jobs:
                ours = list(across.find(job))
                (self.found if ours else self.clean)[job.rule] += 1
                compare = equality.any_angle if self.slanted else equality.straight
                yield from (f"{job.rule}: {text}" for text in compare(job, ours, whole))
                if self.counted:
                    yield from (f"{job.rule}: {text}" for text in equality.counts(job, ours, whole))


def generated(part: int, count: int, *, slanted: bool, shrink: bool, see: Callable[[kdb.Layout], None]) -> None:
    """Shows `see` so many generated layouts, the same ones each time; with shrink, ends with the least it refuses."""

    @seed(part)
    @settings(
        max_examples=count, deadline=None, database=None, derandomize=False, suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink] if shrink else [Phase.generate],
    )  # fmt: skip
    @given(st.randoms(use_true_random=False, note_method_calls=False))
    def each(rng: random.Random) -> None:
        see(corpus.layout(rng, slanted=slanted))

    each()


def always_windows(patch: pytest.MonkeyPatch) -> None:
    """Look at small layouts as at large ones: through windows, and in many parts where these are looked at together."""
    patch.setattr(look, "LITTLE", 0)
    patch.setattr(look, "WHOLE", (30.0,))
    patch.setattr(sheet, "AT_ONCE", 100)
