"""Beams against closed forms: F = 3YId/L3, 12YId/L3, the tapered cantilever, Timoshenko, plastic moments."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import shapely

from layoutgen.physics.beam import STRAIGHT, Beam, Ends, flared, waisted
from layoutgen.physics.expansion import displacements
from layoutgen.physics.sections import Section, obround_section, octagon_section, rectangle_section, round_section

X = np.array([[1.0, 0.0]])
COPPER = {"modulus": 130.0, "poisson": 0.34, "yield_stress": 193.0}


def beam(section: Section, height: float = 400.0, **more: object) -> Beam:
    return Beam(section, height, **COPPER, **more)  # type: ignore[arg-type]


# sections -----------------------------------------------------------------------------------------------------------
def test_second_moments_in_closed_form() -> None:
    """Young and Budynas, "Roark's Formulas for Stress and Strain", table A.1."""
    fine = round_section(40.0, 4096)
    assert fine.area == pytest.approx(math.pi * 400, rel=1e-5)
    assert fine.second_moments == pytest.approx(np.eye(2) * math.pi * 40**4 / 64, rel=1e-5, abs=1e-3)
    bar = rectangle_section(60.0, 20.0)
    assert bar.second_moments == pytest.approx(np.diag([20 * 60**3 / 12, 60 * 20**3 / 12]))
    side = 40.0 * math.tan(math.pi / 8)
    eight = octagon_section(40.0)
    assert eight.area == pytest.approx(2 * (1 + math.sqrt(2)) * side**2)
    assert eight.second_moments == pytest.approx(np.eye(2) * (11 + 8 * math.sqrt(2)) / 12 * side**4, abs=1e-6)
    b, r = 30.0, 10.0  # a rectangle 30 long between two half discs
    thin = b * (2 * r) ** 3 / 12 + math.pi * r**4 / 4
    far = (2 * r) * b**3 / 12 + math.pi * r**4 / 4 + math.pi * r**2 * b**2 / 4 + 4 / 3 * r**3 * b
    slot = obround_section(b + 2 * r, 2 * r, 4096)
    assert slot.second_moments == pytest.approx(np.diag([far, thin]), rel=1e-5, abs=1e-3)


def test_a_drawn_circle_is_as_far_off_as_is_said() -> None:
    drawn = round_section(40.0, 128)
    assert drawn.area / (math.pi * 400) - 1 == pytest.approx(math.pi**2 / 3 / 128**2, rel=0.1)


def test_principal_axes_of_a_turned_rectangle_elsewhere() -> None:
    angle = 0.3
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    turned = Section(rectangle_section(60.0, 20.0).corners @ turn.T + (1e5, -1e5))
    (least, largest), axes = turned.principal
    assert (least, largest) == pytest.approx((60 * 20**3 / 12, 20 * 60**3 / 12))
    assert abs(axes[1] @ turn[:, 0]) == pytest.approx(1)
    assert turned.centroid == pytest.approx([1e5, -1e5])


def test_moments_of_any_polygon_by_another_witness() -> None:
    """Shapely's triangles, each by the moments of its corners and centroid."""
    corners = np.array([(0, 0), (50, 5), (40, 30), (25, 12), (5, 45)], dtype=float)
    section = Section(corners[::-1])
    whole = shapely.Polygon(corners)
    middle = np.array(whole.centroid.coords[0])
    total = np.zeros((2, 2))
    for triangle in shapely.constrained_delaunay_triangles(whole).geoms:
        p = np.array(triangle.exterior.coords)[:3] - middle
        total += triangle.area / 12 * (sum(np.outer(q, q) for q in p) + np.outer(p.sum(axis=0), p.sum(axis=0)))
    assert section.area == pytest.approx(whole.area)
    assert section.centroid == pytest.approx(middle)
    assert section.second_moments == pytest.approx(total)


def test_plastic_moduli_in_closed_form() -> None:
    """Gere and Goodno, table of plastic moduli: b h2 / 4, d3 / 6; a square on its corner: a3 sqrt(2) / 6."""
    slanted = np.array([[math.sqrt(0.5), math.sqrt(0.5)]])
    assert rectangle_section(60.0, 20.0).plastic_modulus(X) == pytest.approx([20 * 60**2 / 4])
    assert rectangle_section(30.0, 30.0).plastic_modulus(slanted) == pytest.approx([30**3 * math.sqrt(2) / 6])
    both = round_section(40.0, 4096).plastic_modulus(np.vstack([X, slanted]))
    assert both == pytest.approx([40**3 / 6] * 2, rel=1e-5)
    # a T whose flange is as large as its stem: the line that halves it runs between both, off the centroid
    tee = np.array([(-10, 0), (10, 0), (10, 80), (40, 80), (40, 100), (-40, 100), (-40, 80), (-10, 80)], dtype=float)
    assert Section(tee).plastic_modulus(np.array([[0.0, 1.0]])) == pytest.approx([1600 * 40 + 1600 * 10], rel=1e-9)


def test_shear_coefficients_of_cowper() -> None:
    """His values at nu = 0.3: 0.886 for a circle, 0.850 for a rectangle."""
    assert round_section(40.0).shear_coefficient(0.3) == pytest.approx(0.886, abs=5e-4)
    assert octagon_section(40.0).shear_coefficient(0.3) == pytest.approx(0.886, abs=5e-4)
    assert rectangle_section(40.0, 10.0).shear_coefficient(0.3) == pytest.approx(0.850, abs=5e-4)


@pytest.mark.parametrize(
    ("corners", "words"),
    [
        ([(0, 0), (1, 1)], "three corners"),
        ([(0, 0), (1, 1), (2, 2)], "flat"),
        ([(0, 0), (2, 2), (2, 0), (0, 2)], "crosses itself"),
        ([(0, 0), (1, 0), (math.nan, 1)], "three corners"),
    ],
)
def test_what_is_no_section(corners: list[tuple[float, float]], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Section(np.array(corners, dtype=float))


# stiffness ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "section", [round_section(40.0), rectangle_section(40.0, 40.0), octagon_section(40.0), obround_section(60.0, 20.0)]
)
@pytest.mark.parametrize(("ends", "factor", "share"), [("free", 3.0, 1.0), ("guided", 12.0, 0.5)])
def test_the_slender_beam(section: Section, ends: Ends, factor: float, share: float) -> None:
    """F = 3YId/L3, or 12; stress F L c / I, or half of it at each end."""
    post = beam(section, ends=ends, shear=False)
    for n, axis in (((1.0, 0.0), 0), ((0.0, 1.0), 1)):
        inertia = section.second_moments[axis, axis]
        assert post.stiffness(n) == pytest.approx(factor * 130 * inertia / 400**3)
        bent = post.bend(np.array([n]) * 0.05)
        force = factor * 130 * inertia * 0.05 / 400**3
        arm = np.abs(section.arms[:, axis]).max()
        assert bent.force == pytest.approx([force])
        assert bent.stress == pytest.approx([force * 400 * share * arm / inertia * 1e3])


def test_the_patents_force_in_si() -> None:
    """A copper post 40 um wide and 120 um high, displaced by 0.1 um: 3 Y I d / L3 in newton and metre."""
    inertia = math.pi * (40e-6) ** 4 / 64
    newton = 3 * 130e9 * inertia * 0.1e-6 / (120e-6) ** 3
    bent = Beam(round_section(40.0, 2048), 120.0, **COPPER, shear=False).bend(0.1 * X)
    assert bent.force == pytest.approx([newton * 1e3], rel=1e-4)
    assert newton * 1e3 == pytest.approx(2.836, rel=1e-3)


def test_timoshenko_in_closed_form() -> None:
    """d / F = L3 / 3EI + L / kappa G A; guided: L3 / 12EI + L / kappa G A."""
    section, kappa = rectangle_section(40.0, 40.0), 10 * 1.34 / (12 + 11 * 0.34)
    for ends, factor in (("free", 3), ("guided", 12)):
        expected = 120**3 / (factor * 130 * 40**4 / 12) + 120 / (kappa * 130 / 2.68 * 1600)
        assert beam(section, 120.0, ends=ends).compliance == pytest.approx(np.eye(2) * expected)


@pytest.mark.parametrize(("ends", "most"), [("free", 0.03), ("guided", 0.1)])
def test_shear_at_the_limit_of_what_is_slender(ends: Ends, most: float) -> None:
    section = round_section(40.0)
    at, below = beam(section, 200.2, ends=ends), beam(section, 199.0, ends=ends)
    assert (at.slender, below.slender) == (True, False)
    plain = beam(section, 200.2, ends=ends, shear=False)
    assert most / 2 < 1 - at.stiffness() / plain.stiffness() < most


def test_the_tapered_cantilever_in_closed_form() -> None:
    """A cone: d = 64 F L3 / (3 pi E d_top d_foot3), McCutcheon, ASCE J. Struct. Eng. 109 (1983); slender.

    By hand: int z2 / (a + b z)4 dz from 0 to L is L3 / (3 a (a + b L)3).
    """
    post = beam(round_section(40.0, 2048), profile=flared(10.0), shear=False)
    expected = 64 * 400**3 / (3 * math.pi * 130 * 40 * 60**3)
    assert post.compliance[0, 0] == pytest.approx(expected, rel=5e-5)
    square = beam(rectangle_section(40.0, 40.0), profile=flared(10.0), shear=False)
    assert square.compliance == pytest.approx(np.eye(2) * 4 * 400**3 / (130 * 40 * 60**3), rel=1e-9)


def test_a_waist_and_a_guided_taper_by_simpson() -> None:
    """Double integration of the curvature on a fine grid, guided ends by two conditions."""
    for profile in (waisted(8.0, 3.0), flared(10.0)):
        post = beam(octagon_section(40.0), profile=profile, ends="guided", shear=False)
        z = np.linspace(0, 400, 2001)
        shares, by = zip(*profile, strict=True)
        across = 40 + 2 * np.interp(1 - z / 400, shares, by)
        flexibility = 1 / (130 * (11 + 8 * math.sqrt(2)) / 12 * (across * math.tan(math.pi / 8)) ** 4)
        h = z[1] - z[0]
        weights = h / 3 * np.array([1, *([4, 2] * 999), 4, 1])
        s0, s1, s2 = (float(weights @ (z**k * flexibility)) for k in range(3))
        assert post.compliance[0, 0] == pytest.approx(s2 - s1**2 / s0, rel=1e-7)


def test_a_foot_stiffens_and_a_waist_softens() -> None:
    drawn = round_section(40.0)
    order = [beam(drawn, profile=p).stiffness() for p in (waisted(8.0), STRAIGHT, flared(8.0))]
    assert all(a < b for a, b in pairwise(order))


def test_the_highest_stress_of_a_tapered_beam() -> None:
    """A cone's stress z / (a + b z)3 is largest at z = a / 2b: here inside, not at the foot."""
    post = beam(round_section(40.0, 2048), profile=flared(40.0), shear=False)
    bent = post.bend(0.05 * X)
    z = np.linspace(1, 400, 4000)
    highest = (bent.force[0] * z * 32 / (math.pi * (40 + 80 * z / 400) ** 3)).max() * 1e3
    assert z[np.argmax(z / (40 + 80 * z / 400) ** 3)] == pytest.approx(100, rel=0.01)
    assert bent.stress[0] == pytest.approx(highest, rel=1e-3)


# yielding -----------------------------------------------------------------------------------------------------------
def test_no_stress_above_yield_is_ever_given() -> None:
    post = beam(round_section(40.0), 120.0)
    bent = post.bend(np.linspace(0, 50, 200)[:, None] * X)
    assert np.nanmax(bent.stress) <= 193.0 * (1 + 1e-9)
    assert np.isnan(bent.stress[bent.yields]).all()
    assert np.isnan(bent.force[bent.yields]).all()
    assert bent.yields.tolist() == (bent.displacement > bent.yield_displacement).tolist()
    assert bent.yields.any()


@pytest.mark.parametrize(
    ("section", "factor"), [(rectangle_section(40.0, 40.0), 1.5), (round_section(40.0, 1024), 16 / (3 * math.pi))]
)
@pytest.mark.parametrize("ends", ["free", "guided"])
def test_the_limit_force_is_so_many_times_that_at_which_it_yields(section: Section, factor: float, ends: Ends) -> None:
    """Shape factors of Gere and Goodno: 3/2 for a rectangle, 16 / 3 pi for a circle."""
    bent = beam(section, ends=ends).bend(30.0 * X)
    assert bent.yields.all()
    assert bent.limit_force / bent.yield_force == pytest.approx([factor], rel=1e-4)


def test_one_that_is_not_displaced() -> None:
    bent = beam(round_section(40.0)).bend(np.zeros((1, 2)))
    assert (bent.stress[0], bent.force[0], bent.ratio[0], bent.yields[0]) == (0, 0, 0, False)


def test_oblique_bending_is_that_of_both_axes() -> None:
    """Of a slender cantilever: 3 Y / L2 times the farthest corner along the displacement."""
    section = rectangle_section(60.0, 20.0)
    n = np.array([[0.6, 0.8]])
    bent = beam(section, shear=False).bend(0.05 * n)
    assert bent.stress == pytest.approx([3 * 130 / 400**2 * 0.05 * (30 * 0.6 + 10 * 0.8) * 1e3])


def test_stout_ones_are_told() -> None:
    drawn = round_section(40.0)
    assert [beam(drawn, h).stout for h in (79.0, 81.0)] == [True, False]
    assert beam(drawn, 120.0).slenderness == pytest.approx(3.0, rel=1e-3)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"height": 0.0}, "height must be greater"),
        ({"modulus": math.inf}, "modulus must be greater"),
        ({"poisson": 0.5}, "poisson must be"),
        ({"yield_stress": -1.0}, "yield_stress must be"),
        ({"profile": ((0.0, 0.0),)}, "a profile rises"),
        ({"profile": ((0.0, 0.0), (0.7, 1.0), (0.5, 0.0), (1.0, 0.0))}, "a profile rises"),
        ({"profile": waisted(20.0)}, "leaves nothing"),
    ],
)
def test_wrong_values_are_refused(change: dict[str, object], words: str) -> None:
    right = {"height": 120.0, **COPPER}
    with pytest.raises(ValueError, match=words):
        Beam(round_section(40.0), **(right | change))  # type: ignore[arg-type]


# expansion ----------------------------------------------------------------------------------------------------------
def test_displacement_at_a_distance_from_the_neutral_point() -> None:
    """Silicon (2.6) on FR-4 (16), 100 K, 3 mm away: 4.02 um."""
    moved = displacements(np.array([[3000.0, 0.0], [0.0, -1500.0]]), 2.6, 16.0, 100.0)
    assert moved == pytest.approx(np.array([[4.02, 0.0], [0.0, -2.01]]))
