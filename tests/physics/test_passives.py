"""Values of passives against what others have published or what is computed in another way."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from filaments import inductance
from scipy import integrate, special

from layoutgen.physics.passives import EPSILON_0, MU_0, ValidityError, capacitor, inductor, resistor, saw
from layoutgen.physics.passives.inductor import Shape, Spiral

Floats = npt.NDArray[np.float64]


# inductors ----------------------------------------------------------------------------------------------------------


def mutual(a: float, b: float) -> float:
    """Two concentric rings in a plane (nH): Maxwell's formula with complete elliptic integrals."""
    k2 = 4 * a * b / (a + b) ** 2
    return MU_0 * math.sqrt(a * b / k2) * float((2 - k2) * special.ellipk(k2) - 2 * special.ellipe(k2))


def disc(inner: float, outer: float, turns: float) -> float:
    """Inductance (nH) of a disc from radius `inner` to `outer`, whose turns are spread evenly: Spielrein's coil."""
    x, w = np.polynomial.legendre.leggauss(12)
    total, n = 0.0, 24
    edges = np.linspace(inner, outer, n + 1)
    for i in range(n):
        for j in range(n):
            if i == j:  # a ring of a ribbon that is narrow: its own geometric mean distance is width exp(-3/2)
                r, wide = (edges[i] + edges[i + 1]) / 2, edges[i + 1] - edges[i]
                total += MU_0 * r * (math.log(8 * r / wide) - 0.5) * wide**2
                continue
            p = (edges[i] + edges[i + 1]) / 2 + x * (edges[i + 1] - edges[i]) / 2
            q = (edges[j] + edges[j + 1]) / 2 + x * (edges[j + 1] - edges[j]) / 2
            cell = sum(wi * wj * mutual(a, b) for a, wi in zip(p, w, strict=True) for b, wj in zip(q, w, strict=True))
            total += cell * (edges[i + 1] - edges[i]) * (edges[j + 1] - edges[j]) / 4
    return total * (turns / (outer - inner)) ** 2


def test_a_disc_filled_to_its_middle_has_spielreins_value() -> None:
    """Spielrein, Arch. Elektrotech. 3 (1915) 187, as in Grover, "Inductance Calculations" (1946), chapter 17: 6.96957
    nH for each cm of outer radius at one turn. It is the witness here that is checked, and the bare formula."""
    assert disc(1e-9, 10_000.0, 1.0) == pytest.approx(6.96957, rel=2e-4)
    assert inductor.sheet("circle", 1.0, 10_000.0, 1.0) == pytest.approx(6.96957, rel=0.01)


@pytest.mark.parametrize("fill", [0.15, 0.4, 0.7, 0.85])
def test_a_circle_by_the_current_sheet_is_a_disc_of_even_turns(fill: float) -> None:
    outer, turns = 200.0, 5.0
    inner = outer * (1 - fill) / (1 + fill)
    assert inductor.sheet("circle", turns, outer + inner, fill) == pytest.approx(disc(inner, outer, turns), rel=5e-3)


@pytest.mark.parametrize("fill", [0.1, 0.25, 0.4, 0.55, 0.7, 0.9])
def test_a_circle_is_wheelers_flat_spiral(fill: float) -> None:
    """Wheeler, Proc. IRE 16 (1928) 1398: a^2 n^2 / (8 a + 11 c) uH for mean radius a and depth c in inches; handbooks
    give it 5 % from c = 0.2 a on, which is a fill ratio of 0.1 (Pender and McIlwain, "Electrical Engineers' Handbook:
    Electric Communication and Electronics")."""
    a, turns = 0.5, 7.0
    c = 2 * fill * a
    found = inductor.sheet("circle", turns, 2 * a * 25_400.0, fill)
    assert found == pytest.approx(1e3 * a**2 * turns**2 / (8 * a + 11 * c), rel=0.05)


MONOMIAL = {
    "square": (1.62e-3, -1.21, -0.147, 2.40, 1.78, -0.030),
    "hexagon": (1.28e-3, -1.24, -0.174, 2.47, 1.77, -0.049),
    "octagon": (1.33e-3, -1.21, -0.163, 2.43, 1.75, -0.049),
}
"""Mohan et al. 1999, table III: fit to a field solver's 19000 inductors; L = b dout^a1 w^a2 davg^a3 n^a4 s^a5 (nH)."""


@pytest.mark.parametrize("shape", MONOMIAL)
def test_both_formulas_agree_with_the_fit_to_a_field_solver(shape: Shape) -> None:
    """The paper: typical errors of 2 to 3 %, at most 8 %, of each against the solver."""
    b, *powers = MONOMIAL[shape]
    rng = np.random.default_rng(7)
    errors = []
    for _ in range(300):
        n, w = int(rng.integers(2, 13)), float(rng.uniform(3, 20))
        spiral = Spiral(shape, n, float(rng.uniform(40, 250)), w, float(rng.uniform(0.2, 1.0)) * w)
        if not 0.15 <= spiral.fill <= 0.8 or spiral.outer > 480:
            continue
        values = (spiral.outer, spiral.width, spiral.mean, n, spiral.space)
        fit = b * math.prod(v**p for v, p in zip(values, powers, strict=True))
        errors += [inductor.current_sheet(spiral) / fit - 1, inductor.modified_wheeler(spiral) / fit - 1]
    assert len(errors) > 200
    assert np.max(np.abs(errors)) < 0.09
    assert np.sqrt(np.mean(np.square(errors))) < 0.03


def test_the_worked_example_of_a_square() -> None:
    """Saturn PCB Design, "PCB Toolkit", planar inductors in its manual: square, 5 turns, 10 mil wide and apart, 350 mil
    outside: 170 mil inside, fill ratio 0.3462, 248.5936 nH by the modified Wheeler formula."""
    spiral = Spiral("square", 5, 170 * 25.4, 10 * 25.4, 10 * 25.4)
    assert (spiral.outer, spiral.fill) == (pytest.approx(350 * 25.4), pytest.approx(0.3462, abs=5e-5))
    assert inductor.modified_wheeler(spiral) == pytest.approx(248.5936, rel=1e-3)
    assert inductor.current_sheet(spiral) == pytest.approx(248.5936, rel=0.03)


def test_a_square_by_its_bars() -> None:
    """A square of 3 turns, 10 wide, 3 apart, 80 inside, side by side: the formula's value within 5 %, which another
    implementation of the same paper gives as 1.638 nH."""
    w, s, inner, n = 10.0, 3.0, 80.0, 3
    pitch, total = w + s, []
    for k in range(n):
        r = inner / 2 + w / 2 + k * pitch
        below = -r if k == 0 else -(r - pitch)
        total += [(r, below), (r, r), (-r, r), (-r, -r)]
    end = inner / 2 + w / 2 + (n - 1) * pitch
    found = inductance(np.array([*total, (end, -end)]), w, 1.0, 3)
    assert inductor.current_sheet(Spiral("square", n, inner, w, s)) == pytest.approx(found, rel=0.05)
    assert inductor.current_sheet(Spiral("square", n, inner, w, s)) == pytest.approx(1.638, abs=5e-4)


@pytest.mark.parametrize(
    ("spiral", "words"),
    [
        (Spiral("square", 3, 80.0, 10.0, 31.0), "space over width from 0 to 3, not 3.1"),
        (Spiral("square", 21, 80.0, 10.0, 3.0), "turns from 1 to 20, not 21"),
        (Spiral("square", 1, 500.0, 10.0, 3.0), "a fill ratio from 0.1 to 0.9, not 0.0196"),
        (Spiral("square", 20, 2.0, 10.0, 3.0), "a fill ratio from 0.1 to 0.9, not 0.9"),
        (Spiral("square", 2, 0.0, 10.0, 3.0), "above 0 um"),
        (Spiral("square", 2, math.nan, 10.0, 3.0), "above 0 um"),
    ],
)
def test_a_spiral_out_of_range_has_no_value(spiral: Spiral, words: str) -> None:
    for formula in (inductor.current_sheet, inductor.modified_wheeler):
        with pytest.raises(ValidityError, match=words) as e:
            formula(spiral)
        assert len(str(e.value).splitlines()) == 1


def test_no_modified_wheeler_of_a_circle() -> None:
    with pytest.raises(ValidityError, match="square, hexagon, octagon, not a circle"):
        inductor.modified_wheeler(Spiral("circle", 3, 80.0, 10.0, 3.0))


# plates -------------------------------------------------------------------------------------------------------------


def test_a_microstrip_of_50_ohm() -> None:
    """Pozar, "Microwave Engineering", example 3.7: 50 ohm on a permittivity of 2.20 is 3.081 times as wide as high,
    with an effective permittivity of 1.87."""
    impedance, effective = capacitor.microstrip(3.081, 2.2)
    assert impedance / math.sqrt(effective) == pytest.approx(50.0, rel=0.01)
    assert effective == pytest.approx(1.87, rel=0.01)


def charge(panels: Floats) -> Floats:
    """Charge on panels (x0, y0, x1, y1, volts) above a plane at y = 0, each even: 2D moments, e0 = 1."""
    a, b, volts = panels[:, :2], panels[:, 2:4], panels[:, 4]
    length = np.hypot(*(b - a).T)
    t, middle = (b - a) / length[:, None], (a + b) / 2

    def of(start: Floats, along: Floats) -> Floats:
        d = middle[:, None] - start[None]
        x = (d * along).sum(axis=2)
        y = np.abs(d[:, :, 1] * along[:, 0] - d[:, :, 0] * along[:, 1]) + 1e-15

        def f(u: Floats) -> Floats:
            out: Floats = u * np.log(np.hypot(u, y)) - u + y * np.arctan2(u, y)
            return out

        out: Floats = -(f(length - x) - f(-x)) / (2 * math.pi)
        return out

    mirror = np.array([1.0, -1.0])
    out: Floats = np.linalg.solve(of(a, t) - of(a * mirror, t * mirror), volts) * length
    return out


def bar(width: float, thickness: float, height: float) -> Floats:
    """Panels of a bar above the plane, finer towards its corners."""
    x = np.cos(np.linspace(math.pi, 0, 61)) * width / 2
    y = height + thickness / 2 + np.cos(np.linspace(math.pi, 0, 31)) * thickness / 2
    flat = [(x[i], at, x[i + 1], at, 1.0) for at in (height, height + thickness) for i in range(60)]
    walls = [(at, y[i], at, y[i + 1], 1.0) for at in (-width / 2, width / 2) for i in range(30)]
    return np.array([*flat, *walls])


@pytest.mark.parametrize("width", [6.0, 10.0, 30.0, 100.0, 300.0])
@pytest.mark.parametrize("thickness", [0.3, 3.0])
def test_a_strip_has_the_charge_of_its_panels(width: float, thickness: float) -> None:
    film = capacitor.Film(3.0, 2.65, 2.65, thickness)
    exact = charge(bar(width, thickness, 3.0)).sum() * 2.65 * EPSILON_0
    assert capacitor.strip(width, film) == pytest.approx(exact, rel=0.01)


@pytest.mark.parametrize("side", [100.0, 300.0, 1000.0])
def test_a_thin_plate_has_palmers_edges(side: float) -> None:
    """Palmer, Trans. AIEE 56 (1937) 363: two equal thin plates, C = e A / h (1 + h/(pi a) (1 + ln(2 pi a / h)))^2 for
    a square. One over a plane has half of their height and twice their capacitance: his with 2 h, twice."""
    film = capacitor.Film(3.0, 2.65, 2.65, 0.0)
    flat = EPSILON_0 * 2.65 * side**2 / 3.0
    h = 6.0
    palmer = flat * (1 + h / (math.pi * side) * (1 + math.log(2 * math.pi * side / h))) ** 2
    found = capacitor.plate(side**2, 4 * side, side, film)
    assert found / flat - 1 > 0.9 * (palmer / flat - 1)
    assert found == pytest.approx(palmer, rel=0.02)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: capacitor.plate(25.0, 20.0, 5.0, capacitor.Film(3.0, 2.65, 1.0, 3.0)), "shorter side over the height"),
        (lambda: capacitor.plate(100.0, 40.0, 10.0, capacitor.Film(3.0, 2.65, 1.0, 3.0)), "25% of the whole in the"),
        (lambda: capacitor.plate(1e4, 400.0, 100.0, capacitor.Film(3.0, 2.65, 3.0, 3.0)), "permittivity over that"),
        (lambda: capacitor.plate(1e4, 400.0, 100.0, capacitor.Film(3.0, 2.65, 1.0, 4.0)), "metal over dielectric"),
        (lambda: capacitor.plate(1e4, 400.0, 100.0, capacitor.Film(0.0, 2.65, 1.0, 4.0)), "some height"),
        (lambda: capacitor.strip(math.nan, capacitor.Film(3.0, 2.65, 1.0, 3.0)), "width over height"),
    ],
)
def test_a_plate_out_of_range_has_no_value(call: Callable[[], float], words: str) -> None:
    with pytest.raises(ValidityError, match=words):
        call()


# combs --------------------------------------------------------------------------------------------------------------


def test_elliptic_integrals_at_their_singular_values() -> None:
    """Legendre: K'/K is the root of 3 at the modulus sin 15 degrees, that of 2 at root 2 - 1, and 1 at sin 45
    degrees (Whittaker and Watson, "Modern Analysis", 22.81)."""
    assert capacitor.inside(0.5) == pytest.approx(1.0, rel=1e-12)
    assert capacitor.inside(1 / 6) == pytest.approx(1 / math.sqrt(3), rel=1e-12)
    assert capacitor.outside(math.sqrt(2) - 1) == pytest.approx(math.sqrt(2), rel=1e-12)


@pytest.mark.parametrize("eta", [0.06, 0.3, 0.5, 0.62, 0.9])
def test_elliptic_integrals_by_their_integral(eta: float) -> None:
    def k(modulus2: float) -> float:
        return float(integrate.quad(lambda t: 1 / math.sqrt(1 - modulus2 * math.sin(t) ** 2), 0, math.pi / 2)[0])

    m = math.sin(math.pi * eta / 2) ** 2
    assert capacitor.inside(eta) == pytest.approx(k(m) / k(1 - m), rel=1e-9)
    m = 4 * eta / (1 + eta) ** 2
    assert capacitor.outside(eta) == pytest.approx(k(m) / k(1 - m), rel=1e-9)


@pytest.mark.parametrize(("fingers", "eta", "within"), [(4, 0.5, 0.03), (10, 0.5, 0.01), (11, 0.3, 0.01),
                                                       (20, 0.7, 0.01)])  # fmt: skip
def test_combs_have_the_charge_of_their_panels(fingers: int, eta: float, within: float) -> None:
    """Thin strips in free space at two potentials, no charge in all."""
    width, space = 4 * eta, 4 * (1 - eta)
    x = np.cos(np.linspace(math.pi, 0, 25)) * width / 2
    left = np.concatenate([x[:-1] + k * 4 for k in range(fingers)])
    right = np.concatenate([x[1:] + k * 4 for k in range(fingers)])
    volts = np.repeat(np.arange(fingers) % 2, 24).astype(float)
    d = (left + right)[:, None] / 2 - left[None]
    length = right - left

    def f(u: Floats) -> Floats:
        out: Floats = u * np.log(np.abs(u)) - u
        return out

    n = len(left)
    matrix = np.zeros((n + 1, n + 1))
    matrix[:n, :n] = -(f(length - d) - f(-d)) / (2 * math.pi)
    matrix[:n, n], matrix[n, :n] = 1.0, length
    q = np.linalg.solve(matrix, [*volts, 0.0])[:n] * length
    exact = q[volts == 1].sum() * EPSILON_0 * 500.0
    assert capacitor.combs(capacitor.Combs(fingers, width, space, 500.0), 1.0, 1.0) == pytest.approx(exact, rel=within)


@pytest.mark.parametrize(
    ("combs", "thinnest", "words"),
    [
        (capacitor.Combs(3, 2.0, 2.0, 100.0), 50.0, "fingers from 4"),
        (capacitor.Combs(9, 2.0, 2.0, 39.0), 50.0, "overlap over period from 5"),
        (capacitor.Combs(9, 2.0, 2.0, 100.0), 7.0, "thickness around over period"),
        (capacitor.Combs(9, 0.1, 4.0, 100.0), 50.0, "width over width and space"),
        (capacitor.Combs(9, 2.0, 2.0, 100.0, 3.0), 50.0, "walls over faces"),
    ],
)
def test_combs_out_of_range_have_no_value(combs: capacitor.Combs, thinnest: float, words: str) -> None:
    with pytest.raises(ValidityError, match=words):
        capacitor.combs(combs, 10.0, 1.0, thinnest=thinnest)


# resistors ----------------------------------------------------------------------------------------------------------


def test_the_square_in_a_right_angle() -> None:
    """0.559: Hall, Thin Solid Films 1 (1968) 277; exactly 1 - (2/pi) ln 2 = 0.5587."""
    assert 1 + resistor.bend(90.0) == pytest.approx(0.559, abs=5e-4)
    assert resistor.bend(90.0) == pytest.approx(-(2 / math.pi) * math.log(2), rel=1e-12)


@pytest.mark.parametrize("turn", [10.0, 45.0, 60.0, 90.0, 120.0])
def test_a_bend_by_the_integral_of_its_conformal_map(turn: float) -> None:
    """The outer edge's length to a point t, minus ln t, as t grows: what it has beyond a straight strip."""
    b = turn / 180

    def rise(u: float) -> float:  # t = 1 / (1 - u)
        return (((2 - u) / u) ** b - 1) / (1 - u) if 0 < u < 1 else 0.0

    beyond = integrate.quad(rise, 0, 1, limit=400, points=[1e-6, 1e-3])[0]
    expected = math.tan(math.radians(turn) / 2) - 2 / math.pi * beyond
    assert resistor.bend(turn) == pytest.approx(expected, abs=1e-5)


def test_squares_of_a_straight_track_are_its_length_over_width() -> None:
    assert resistor.resistance(np.array([(0.0, 0.0), (30.0, 40.0)]), 10.0, 50.0) == pytest.approx(250.0)


def test_bends_too_near_or_too_sharp_have_no_value() -> None:
    near = np.array([(0.0, 0.0), (50.0, 0.0), (50.0, 19.9), (0.0, 19.9)])
    with pytest.raises(ValidityError, match=r"one width, 10 um, between two bends, not 9\.9 um"):
        resistor.squares(near, 10.0)
    with pytest.raises(ValidityError, match="bends of degrees from 0 to 120, not 180"):
        resistor.squares(np.array([(0.0, 0.0), (50.0, 0.0), (0.0, 0.0)]), 10.0)


# surface waves ------------------------------------------------------------------------------------------------------


def test_a_pair_on_lithium_niobate() -> None:
    """YZ LiNbO3, fingers as wide as spaces: 4.6 pF/cm for each pair (Smith, Gerard, Collins, Reeder and Shaw, IEEE
    Trans. Microwave Theory Tech. 17 (1969) 856); sqrt(e11 e33) of e11 = 84, e33 = 30."""
    assert saw.per_pair(0.5, math.sqrt(84 * 30)) * 1e4 == pytest.approx(4.6, rel=0.02)


@pytest.mark.parametrize("eta", [0.1, 0.35, 0.5, 0.8])
def test_a_pair_by_engans_legendre_functions(eta: float) -> None:
    def legendre(x: float) -> float:
        return float(special.hyp2f1(0.5, 0.5, 1.0, (1 - x) / 2))

    cosine = math.cos(math.pi * eta)
    assert saw.per_pair(eta, 10.0) == pytest.approx(11 * EPSILON_0 * legendre(cosine) / legendre(-cosine), rel=1e-9)


def test_a_transducer_out_of_range_has_no_value() -> None:
    with pytest.raises(ValidityError, match="finger pairs from 10"):
        saw.capacitance(9, 100.0, 0.5, 47.0)
    with pytest.raises(ValidityError, match="a metallization ratio"):
        saw.capacitance(90, 100.0, 0.97, 47.0)


def test_the_frequency_of_a_wavelength() -> None:
    """YZ LiNbO3 at 3488 m/s (Morgan, "Surface Acoustic Wave Filters", 2007): 34.88 um for 100 MHz."""
    assert saw.frequency(34.88, 3488.0) == pytest.approx(100.0)
