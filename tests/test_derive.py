"""The language of derived layers: what it means, how far it looks, and that nothing else is accepted or executed."""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable
from pathlib import Path

import klayout.db as kdb
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from layoutgen import derive

Boxes = dict[str, list[tuple[int, int, int, int]]]
STACK = {"level.polymer.flare": 2.0, "level.post.projection": 20.0}


def number(path: str) -> float:
    return STACK[path]


def no_number(path: str) -> float:
    raise AssertionError(f"{path} was asked for")


def region(boxes: list[tuple[int, int, int, int]]) -> kdb.Region:
    return kdb.Region([kdb.Box(x, y, x + w, y + h) for x, y, w, h in boxes])


def flat(boxes: list[tuple[int, int, int, int]]) -> shapely.Geometry:
    return shapely.union_all([shapely.box(x, y, x + w, y + h) for x, y, w, h in boxes])


def evaluated(expression: str, boxes: Boxes) -> kdb.Region:
    return derive.evaluate(expression, lambda name: region(boxes[name]), number)


edge = st.integers(1, 6_000)
place = st.integers(-6_000, 6_000)
layer = st.lists(st.tuples(place, place, edge, edge), max_size=5)
layers = st.fixed_dictionaries({"a": layer, "b": layer, "c": layer})
R, S = kdb.Region, shapely.Geometry

# each expression as KLayout's own operators and as shapely's, bracketed by hand: `-` binds tightest, then & ^ |
MEANING: dict[str, tuple[Callable[[R, R, R], R], Callable[[S, S, S], S]]] = {
    "a": (lambda a, b, c: a, lambda a, b, c: a),
    "a | b": (lambda a, b, c: a | b, lambda a, b, c: a.union(b)),
    "a & b": (lambda a, b, c: a & b, lambda a, b, c: a.intersection(b)),
    "a - b": (lambda a, b, c: a - b, lambda a, b, c: a.difference(b)),
    "a ^ b": (lambda a, b, c: a ^ b, lambda a, b, c: a.symmetric_difference(b)),
    "a | b - c": (lambda a, b, c: a | (b - c), lambda a, b, c: a.union(b.difference(c))),
    "a & b - c": (lambda a, b, c: a & (b - c), lambda a, b, c: a.intersection(b.difference(c))),
    "a - b & c": (lambda a, b, c: (a - b) & c, lambda a, b, c: a.difference(b).intersection(c)),
    "a | b & c": (lambda a, b, c: a | (b & c), lambda a, b, c: a.union(b.intersection(c))),
    "a ^ b & c": (lambda a, b, c: a ^ (b & c), lambda a, b, c: a.symmetric_difference(b.intersection(c))),
    "a | b ^ c": (lambda a, b, c: a | (b ^ c), lambda a, b, c: a.union(b.symmetric_difference(c))),
    "a - b - c": (lambda a, b, c: (a - b) - c, lambda a, b, c: a.difference(b).difference(c)),
    "(a | b) - c": (lambda a, b, c: (a | b) - c, lambda a, b, c: a.union(b).difference(c)),
    "a - (b | c)": (lambda a, b, c: a - (b | c), lambda a, b, c: a.difference(b.union(c))),
}


@pytest.mark.parametrize("expression", MEANING)
@given(boxes=layers)
def test_operators_mean_what_two_other_programs_say(expression: str, boxes: Boxes) -> None:
    by_klayout, by_shapely = MEANING[expression]
    found = evaluated(expression, boxes)
    assert (found ^ by_klayout(*(region(boxes[n]) for n in "abc"))).is_empty()
    # twice the area is a whole number, whichever program sums it up
    assert found.area() == pytest.approx(by_shapely(*(flat(boxes[n]) for n in "abc")).area, abs=0.5)


@given(boxes=layers)
def test_what_comes_back_is_merged(boxes: Boxes) -> None:
    for expression in ("a", "a | b", "size(a, 1.0)", "size(a, -0.5) | c"):
        found = evaluated(expression, boxes)
        assert found.merged(False, 2).is_empty(), expression  # no point is covered twice
        assert found.count() == found.merged().count()


@given(boxes=layers, by=st.integers(0, 3_000))
def test_growing_moves_every_edge_outward_and_keeps_square_corners(boxes: Boxes, by: int) -> None:
    grown = evaluated(f"size(a, {by / 1000})", boxes)
    # growing a union of boxes by a square is the union of the grown boxes
    witness = flat([(x - by, y - by, w + 2 * by, h + 2 * by) for x, y, w, h in boxes["a"]])
    assert grown.area() == pytest.approx(witness.area, abs=0.5)
    assert (region(boxes["a"]) - grown).is_empty()


@given(boxes=layers, by=st.integers(1, 3_000))
def test_shrinking_is_growing_of_what_is_not_there(boxes: Boxes, by: int) -> None:
    shrunk = evaluated(f"size(a, -{by / 1000})", boxes)
    frame = kdb.Region(kdb.Box(-50_000, -50_000, 50_000, 50_000))
    outside = (frame - region(boxes["a"])).sized(by, 2)
    assert ((frame - outside) ^ shrunk).is_empty()
    assert (shrunk - region(boxes["a"])).is_empty()


@pytest.mark.parametrize(
    ("text", "half"),
    [
        ("size(a, 1)", 2_000), ("size(a, level.polymer.flare)", 3_000), ("size(a, -0.25)", 750),
        ("size(a, 2 * level.polymer.flare - 3)", 2_000), ("size(a, level.post.projection / 4)", 6_000),
        ("size(a, (1 + 2) * 2)", 7_000), ("size(a, 1 + 2 * 2)", 6_000), ("size(a, -(1 - 2))", 2_000),
        ("size(size(a, 1), 2)", 4_000), ("size(a, -2)", 0), ("size(a, - -1)", 2_000),
    ],
)  # fmt: skip
def test_numbers_are_worked_out_in_um(text: str, half: int) -> None:
    found = evaluated(text, {"a": [(-1_000, -1_000, 2_000, 2_000)]})
    assert found.is_empty() if half == 0 else found.bbox() == kdb.Box(-half, -half, half, half)


def test_a_sharp_corner_is_cut_so_that_it_stays_within_reach() -> None:
    wedge = kdb.Polygon([kdb.Point(0, -18_000), kdb.Point(50_000, 0), kdb.Point(0, 18_000)])
    grown = derive.evaluate("size(a, 10)", lambda _: kdb.Region(wedge), number)
    assert grown.bbox().right - 50_000 <= derive.reach("size(a, 10)", number) * 1000


def test_sizing_keeps_a_circle_a_circle() -> None:
    disc = kdb.Polygon.ellipse(kdb.Box(-10_000, -10_000, 10_000, 10_000), 128)
    grown = derive.evaluate("size(a, 5)", lambda _: kdb.Region(disc), number)
    far = max(p.distance(kdb.Point(0, 0)) for p in next(grown.each()).each_point_hull())
    assert far <= 15_000 / math.cos(math.pi / 128) + 2


@pytest.mark.parametrize(
    ("expression", "names", "union", "reach", "growth"),
    [
        ("a", ("a",), ("a",), 0.0, 0.0),
        ("a | b | c | b", ("a", "b", "c"), ("a", "b", "c"), 0.0, 0.0),
        ("c | (a | b)", ("c", "a", "b"), ("c", "a", "b"), 0.0, 0.0),
        ("a | b & c", ("a", "b", "c"), None, 0.0, 0.0),
        ("(a - b) | c", ("a", "b", "c"), None, 0.0, 0.0),
        ("a - size(b, 10)", ("a", "b"), None, 14.2, 0.0),
        ("a & size(b, 10)", ("a", "b"), None, 14.2, 0.0),
        ("size(a, 10) - b", ("a", "b"), None, 14.2, 10.0),
        ("a | size(b, 10)", ("a", "b"), None, 14.2, 10.0),
        ("a ^ size(b, 10)", ("a", "b"), None, 14.2, 10.0),
        ("size(a | b, level.post.projection)", ("a", "b"), None, 28.4, 20.0),
        ("size(a, -10)", ("a",), None, 14.2, -10.0),
        ("size(size(a, 10), -4)", ("a",), None, 19.88, 6.0),
        ("size(a, 3) | size(b, 7)", ("a", "b"), None, 9.94, 7.0),
    ],
)
def test_names_union_reach_and_growth(
    expression: str, names: tuple[str, ...], union: tuple[str, ...] | None, reach: float, growth: float
) -> None:
    assert derive.names(expression) == names
    assert derive.union_of(expression) == union
    assert derive.reach(expression, number) == pytest.approx(reach)
    assert derive.growth(expression, number) == pytest.approx(growth)


@given(boxes=layers, expression=st.sampled_from([*MEANING, "size(a, 1.5) - b", "a - size(b, 0.7)", "size(a - b, -1)"]))
def test_what_lies_beyond_reach_changes_nothing_here(boxes: Boxes, expression: str) -> None:
    """The law that a window's halo rests on: clip every layer a reach away from a point's box, and see the same."""
    here = kdb.Box(-1_000, -1_000, 1_000, 1_000)
    far = math.ceil(derive.reach(expression, number) * 1000) + 2

    def touching(name: str) -> kdb.Region:
        return kdb.Region([p for p in region(boxes[name]).each() if p.bbox().touches(here.enlarged(far, far))])

    near = derive.evaluate(expression, touching, number)
    assert ((near ^ evaluated(expression, boxes)) & kdb.Region(here)).is_empty()


@given(boxes=layers, expression=st.sampled_from([*MEANING, "size(a, 1.5) - b", "a - size(b, 1)", "b ^ size(a, 2)"]))
def test_nothing_stands_out_further_than_growth(boxes: Boxes, expression: str) -> None:
    drawn = sum((region(boxes[n]) for n in "abc"), kdb.Region())
    by = round(derive.growth(expression, number) * 1000)
    assert (evaluated(expression, boxes) - drawn.sized(by, 2)).is_empty()


HOSTILE = [
    "__import__('os').system('touch EXECUTED')", "__import__('os')", "open('EXECUTED', 'w')", "exec('x = 1')",
    "a.__class__.__mro__", "a.b", "a[0]", "(lambda: a)()", "lambda: a", "[a for a in b]", "{a: b}", "(a, b)",
    "a if b else c", "a and b", "a or b", "not a", "~a", "-a", "+a", "a < b", "a + b", "a * b", "a ** b",
    "a // b", "a % b", "a << b",
    "a @ 1", "a @ b @ c", "(a | b) @ c",
    "f'{a}'", "'a'", "b'a'", "1", "1.5", "None", "True", "...", "*a", "a := b", "(a := b)", "await a",
    "yield a",
    "size(a)", "size()", "size(a, 1, 2)", "size(a, by=1)", "size(layer=a, um=1)", "size(*a)", "size(a, **b)",
    "grow(a, 1)", "a(1)", "size.size(a, 1)", "size(a, 1)(b)", "size(1, 1) | ", "", " ", "a |", "a b", "a; b",
    "a\nb",
    "import os", "a = b", "()", "[]", "a.b.c.d.e.f", "\x00", "\ud800", "# a",
    "(" * 500 + "a" + ")" * 500, "|".join("a" * 999),
    "-" * 1900 + "a",
    "a | " * 749 + "abcd", "size(" * 300 + "a" + ", 1)" * 300, "a" + "-(a" * 400 + ")" * 400,
    "a" * 3000, "a | " * 750 + "a",
]  # fmt: skip
NO_NUMBER = [
    "'1'", "True", "None", "1j", "x", "2 ** 9", "9 // 2", "9 % 2", "1 / 0", "1e400", "1e308 * 10",
    "1e308 * 10 - 1e308 * 10",
    "9" * 400, "f(1)", "abs(-1)", "__import__('os').system('touch EXECUTED')", "__import__('os').getpid()", "level",
    "level.polymer", "a.b.c.d", "(1).real.imag", "''.join.flare", "level[0].flare", "~1", "not 1", "+1", "1 < 2", "[1]",
    "lambda: 1", "1 if a else 2", "*b", "-" * 1900 + "1", "1" + " + 1" * 450,
]  # fmt: skip


@pytest.fixture
def nothing_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever would execute text fails the test, whichever way it is reached."""

    def refuse(*args: object, **_: object) -> None:
        raise AssertionError(f"executed: {args!r:.80}")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.system", refuse)
    monkeypatch.setattr(builtins, "eval", refuse)
    monkeypatch.setattr(builtins, "open", refuse)


@pytest.mark.usefixtures("nothing_runs")
@pytest.mark.parametrize("expression", HOSTILE, ids=lambda e: ascii(e)[:40])
def test_anything_else_is_refused_and_never_executed(expression: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r".+"):
        derive.names(expression)
    with pytest.raises(ValueError, match=r".+"):
        derive.evaluate(expression, lambda _: kdb.Region(kdb.Box(0, 0, 9, 9)), no_number)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("nothing_runs")
@pytest.mark.parametrize("text", NO_NUMBER, ids=lambda e: ascii(e)[:40])
def test_a_size_that_is_no_finite_number_is_refused_and_never_executed(text: str, tmp_path: Path) -> None:
    expression = f"size(a, {text})"
    with pytest.raises(ValueError, match=r".+"):
        derive.reach(expression, no_number)
    with pytest.raises(ValueError, match=r".+"):
        derive.evaluate(expression, lambda _: kdb.Region(kdb.Box(0, 0, 9, 9)), no_number)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("a + b", r"'a \+ b' in 'a \+ b' is no layer, no \| & - \^, no size\(layer, um\)"),
        ("grow(a, 1)", r"'grow\(a, 1\)' in .* is not size\(layer, um\), the only function there is"),
        ("a |", r"'a \|' is not an expression; write for example 'rdl \| rdl_tie'"),
        ("a" * 2001, r"an expression may have 2000 characters at most"),
        ("|".join("a" * 200), r"an expression may be nested 100 deep at most; name parts of it as derived layers"),
    ],
)
def test_the_message_quotes_what_is_wrong(expression: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        derive.names(expression)


def test_a_wrong_number_is_quoted() -> None:
    with pytest.raises(ValueError, match=r"^'1 / 0' in 'size\(a, 1 / 0\)' has no finite value$"):
        derive.reach("size(a, 1 / 0)", number)
    with pytest.raises(ValueError, match=r"^'x' in 'size\(a, x\)' is no number and no level.NAME.FIELD$"):
        derive.reach("size(a, x)", number)


def test_a_union_of_many_layers_is_still_one() -> None:
    many = [f"layer_{i}" for i in range(60)]
    assert derive.union_of(" | ".join(many)) == tuple(many)
