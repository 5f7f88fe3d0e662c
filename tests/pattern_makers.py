"""Patterns of the kinds that judge areas, whole shapes, corners, numbers and wide metal: see `conformance`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from pattern import FAR, STEPS, Box, Boxes, Corners, Pattern, Setting, box, frame, grown

from layoutgen.geom import circle
from layoutgen.units import DBU, dbu, to_dbu


def max_width(s: Setting) -> Iterator[Pattern]:
    long = 3 * s.limit
    for by in STEPS:
        v = s.limit + by
        yield Pattern(f"bar {by:+d}", by > 0, ([box(0, 0, v, long)],))
        yield Pattern(f"square {by:+d}", by > 0, ([box(0, 0, v)],))
        yield Pattern(f"two halves that abut {by:+d}", by > 0, ([box(0, 0, 9, long), box(9, 0, v - 9, long)],))
        yield Pattern(f"crossing {by:+d}", by > 0, ([box(-long, 0, 2 * long, v), box(0, -long, v, 2 * long)],))
        yield Pattern(f"walls around a hole {by:+d}", by > 0, (frame(box(0, 0, long), v),))
        yield Pattern(f"walls beside a notch {by:+d}", by > 0, (frame(box(0, 0, long), v)[1:],))
    yield Pattern("kissing corners", False, ([box(0, 0, s.limit), box(s.limit, s.limit, s.limit)],))
    yield Pattern("inside", False, ([box(0, 0, s.limit), box(9, 9, 9)],))
    yield Pattern("coincident", False, ([box(0, 0, s.limit), box(0, 0, s.limit)],))
    yield Pattern("absent", False, ([],))


def notch(s: Setting) -> Iterator[Pattern]:
    (a,) = s.sides
    for by in STEPS:
        v = s.limit + by
        arms = [box(0, 0, a, 2 * a), box(a + v, 0, a, 2 * a)]
        yield Pattern(f"notch {by:+d}", by < 0, ([*arms, box(0, -a, 2 * a + v, a)],))
        yield Pattern(f"hole {by:+d}", by < 0, (frame(box(0, 0, v, 3 * a), a),))
        yield Pattern(f"gap {by:+d}", False, (arms,))
    for by, dx, dy in s.corners():
        far = [box(-2 * a, 0, a, 4 * a), box(-2 * a, 0, 2 * a, a), box(-2 * a, 3 * a, 3 * a + dx, a)]
        two = [box(0, 0, a), box(a + dx, a + dy, a, 3 * a - dy), *far, box(0, 3 * a, 2 * a + dx, a)]
        yield Pattern(f"corner to corner {by:+d}", by < 0 and not s.across, (two,))
    yield Pattern("abutting", False, ([box(0, 0, a), box(a, 0, a)],))
    yield Pattern("crossing", False, ([box(-a, 0, 3 * a, a), box(0, -a, a, 3 * a)],))
    yield Pattern("inside", False, ([box(0, 0, a), box(9, 9, a - 18)],))
    yield Pattern("coincident", False, ([box(0, 0, a), box(0, 0, a)],))
    yield Pattern("absent", False, ([],))


def wide_space(s: Setting) -> Iterator[Pattern]:
    for i, step in enumerate(s.options.steps):
        w, run, limit = dbu(step.width), dbu(step.run), dbu(step.space)
        a, long = w + FAR // 10, run + FAR // 10
        for by in STEPS:
            v = limit + by
            yield Pattern(f"{i}: gap {by:+d}", by < 0, ([box(0, 0, a, long), box(a + v, 0, a, long)],))
            arms = [box(0, 0, a, a + long), box(a + v, 0, a, a + long)]
            yield Pattern(f"{i}: notch {by:+d}", by < 0, ([*arms, box(0, -a, 2 * a + v, a)],))
            yield Pattern(f"{i}: hole {by:+d}", by < 0, (frame(box(0, 0, v, long), a),))
            near = limit - 1
            wide = by > 0 or s.options.wide == "one"
            narrow = [box(0, 0, a, long), box(a + near, 0, w + by, long)]
            yield Pattern(f"{i}: width {by:+d}", wide, (narrow,))
            beside = [box(0, 0, a, long), box(a + near, long - run - by, a, 2 * long)]
            yield Pattern(f"{i}: run {by:+d}", by > 0 or not run, (beside,))
        yield Pattern(f"{i}: corner to corner", not run, ([box(0, 0, a, long), box(a + 9, long + 9, a, long)],))
        yield Pattern(f"{i}: kissing corners", not run, ([box(0, 0, a, long), box(a, long, a, long)],))
        yield Pattern(f"{i}: abutting", False, ([box(0, 0, a, long), box(a, 0, a, long)],))
        crossing = [box(-long, 0, a + 2 * long, a), box(0, -long, a, a + 2 * long)]
        yield Pattern(f"{i}: crossing", False, (crossing,))
        yield Pattern(f"{i}: inside", False, ([box(0, 0, a, long), box(9, 9, 9)],))
        yield Pattern(f"{i}: coincident", False, ([box(0, 0, a, long), box(0, 0, a, long)],))
    yield Pattern("absent", False, ([],))


def outside_or_inside(s: Setting) -> Iterator[Pattern]:
    a, b = s.sides
    least = dbu(s.options.inside)
    one, far = box(0, 0, a), s.limit + least + FAR
    b = max(b, a)
    for by in STEPS:
        v, e = s.limit + by, least + by
        yield Pattern(f"outside {by:+d}", by < 0, ([one], [box(a + v, 0, b)]))
        yield Pattern(f"in the other's hole {by:+d}", by < 0, ([one], frame(grown(one, v, far, far, far), b)))
        yield Pattern(f"in the other's notch {by:+d}", by < 0, ([one], frame(grown(one, v, far, far, far), b)[1:]))
        yield Pattern(f"inside {by:+d}", by < 0, ([one], [grown(one, e, far, far, far)]))
        left = grown(one, e, far, 0, far)
        right = (left[2], left[1], left[2] + far, left[3])
        yield Pattern(f"inside two that abut {by:+d}", by < 0, ([one], [left, right]))
    for by, dx, dy in s.corners():
        yield Pattern(f"corner to corner {by:+d}", by < 0 and not s.across, ([one], [box(a + dx, a + dy, b)]))
    yield Pattern("abutting", True, ([one], [box(a, 0, b)]))
    yield Pattern("kissing corners", not s.across, ([one], [box(a, a, b)]))
    yield Pattern("crossing", True, ([box(-b, 0, a + 2 * b, a)], [box(0, -b, b, a + 2 * b)]))
    yield Pattern("around", True, ([grown(box(0, 0, b), a, a, a, a)], [box(0, 0, b)]))
    yield Pattern("coincident", least > 0, ([one], [one]))
    yield Pattern("second absent", False, ([one], []))
    yield Pattern("first absent", False, ([], [one]))


def extension(s: Setting) -> Iterator[Pattern]:
    a, b = s.sides
    b = max(b, 4 * a)
    window, far = box(0, 0, b), s.limit + FAR
    for by in STEPS:
        v = s.limit + by
        yield Pattern(f"across {by:+d}", by < 0, ([(-v, 9, b + far, 9 + a)], [window]))
        yield Pattern(f"one end inside {by:+d}", by < 0, ([(-v, 9, b - 9, 9 + a)], [window]))
        yield Pattern(f"over a corner {by:+d}", by < 0, ([(b - a, b - a, b + v, b + far)], [window]))
        yield Pattern(f"around {by:+d}", by < 0, ([grown(window, v, far, far, far)], [window]))
        ends = [(-far, 9, b + far, 9 + a), (-v, 9 + a, b + far, 9 + 2 * a), (-far, 9 + 2 * a, b + far, 9 + 3 * a)]
        yield Pattern(f"a notch in its end {by:+d}", by < 0, (ends, [window]))
        rows = [(-2 * far, 9, b - 9, 9 + a), (-2 * far, 9 + 2 * a, b - 9, 9 + 3 * a)]
        holed = [*rows, (-2 * far, 9 + a, -v - 9, 9 + 2 * a), (-v, 9 + a, b - 9, 9 + 2 * a)]
        yield Pattern(f"a hole beyond the border {by:+d}", by < 0, (holed, [window]))
    yield Pattern("ends at the border", True, ([(0, 9, b + far, 9 + a)], [window]))
    yield Pattern("inside", False, ([(9, 9, 9 + a, 9 + a)], [grown(window, 0, 0, a, a)]))
    yield Pattern("apart", False, ([box(b + far, 0, a)], [window]))
    yield Pattern("second absent", False, ([box(0, 0, a)], []))
    yield Pattern("first absent", False, ([], [window]))


def outside(s: Setting) -> Iterator[Pattern]:
    a, b = s.sides
    one = box(0, 0, a)
    for by in STEPS:
        yield Pattern(f"beside {by:+d}", by < 0, ([one], [box(a + by, 0, b)]))
        yield Pattern(f"corner to corner {by:+d}", by < 0, ([one], [box(a + by, a + by, b)]))
        yield Pattern(f"in the other's hole {by:+d}", by < 0, ([one], frame(grown(one, by, 9, 9, 9), b)))
        yield Pattern(f"in the other's notch {by:+d}", by < 0, ([one], frame(grown(one, by, 9, 9, 9), b)[1:]))
    yield Pattern("inside", True, ([one], [grown(one, b, b, b, b)]))
    yield Pattern("around", True, ([grown(box(0, 0, b), a, a, a, a)], [box(0, 0, b)]))
    yield Pattern("crossing", True, ([box(-b, 0, a + 2 * b, a)], [box(0, -b, b, a + 2 * b)]))
    yield Pattern("coincident", True, ([one], [one]))
    yield Pattern("second absent", False, ([one], []))
    yield Pattern("first absent", False, ([], [one]))


def exact_shape(s: Setting) -> Iterator[Pattern]:
    most = dbu(s.options.tolerance)
    if s.options.shape == "rectangle":
        w, h = [dbu(side) for side in s.options.size] if s.options.size else (s.limit, s.limit)
        for by in sorted({-2 * most - 2, -2 * most, 0, 2 * most, 2 * most + 2}):  # each side moves by half of it
            yield Pattern(f"width {by:+d}", abs(by) > 2 * most, ([box(0, 0, w + by, h)],))
            yield Pattern(f"height {by:+d}", abs(by) > 2 * most, ([box(0, 0, w, h + by)],))
        yield Pattern("turned", False, ([box(0, 0, h, w)],))
        yield Pattern("abutting", True, ([box(0, 0, w, h), box(w, 0, w, h)],))
        yield Pattern("two halves that abut", False, ([box(0, 0, 9, h), box(9, 0, w - 9, h)],))
        yield Pattern("with a notch", True, ([box(0, 0, w, h - 9), box(0, h - 9, w - 9, 9)],))
        shapes: tuple[Box | Corners, ...] = (box(0, 0, w, h), box(10 * w, 0, w, h))
        hole = frame(box(9, 9, 9), 9)
        yield Pattern("with a hole", True, ([*hole, box(27, 0, w - 27, h), box(0, 27, 27, h - 27)],))
    else:
        points = 8 if s.options.shape == "octagon" else 128
        w = s.limit

        def one(by: int, x: int = 0) -> Corners:
            # turned so that an octagon has a side above; `by` moves each corner
            turn = math.pi / points
            radius = (w / 2 / (math.cos(turn) if points == 8 else 1)) + by
            at = [turn + 2 * math.pi * k / points for k in range(points)]
            return tuple((x + round(radius * math.cos(t)), round(radius * math.sin(t))) for t in at)

        for by in (-most - 2, -most + 2, 0, most - 2, most + 2):  # corners are rounded by up to one unit
            within = abs(by) < most
            if points == 128 and -most < by < 0:
                continue  # the middle of its sides lies deeper
            yield Pattern(f"corners {by:+d}", not within, ([one(by)],))
        yield Pattern("square", True, ([box(0, 0, w)],))
        yield Pattern("with a notch", True, ([(*one(0)[: points * 3 // 4], (0, 0))],))
        yield Pattern("abutting", True, ([box(0, 0, w), one(0)],))
        shapes = (one(0), one(0, 10 * w))
    yield Pattern("apart", False, (shapes,))
    yield Pattern("coincident", False, ([*shapes, *shapes],))
    yield Pattern("inside", False, ([*shapes, box(9 if s.options.size else -9, 9, 9)],))
    yield Pattern("absent", False, ([],))


def _of_area(area: int) -> Boxes:
    """A box, and beside it what is missing to the area."""
    side = math.isqrt(area)
    rest = area - side * side
    high = rest // side
    more = [box(side, 0, high, side)] if high else []
    return [box(0, 0, side), *more, *([box(side + high, 0, 1, rest - high * side)] if rest > high * side else [])]


def area(s: Setting) -> Iterator[Pattern]:
    limits = [(s.limit, -1)] if s.limit else []
    limits += [(round(s.options.most / DBU**2), 1)] if s.options.most is not None else []
    for limit, wrong in limits:
        for by in STEPS:
            word = "least" if wrong < 0 else "most"
            yield Pattern(f"{word} {by:+d}", by == wrong, (_of_area(limit + by),))
            side = math.isqrt(limit)
            holed = [*frame(box(side // 2, side // 2, 9, 9), 9)]
            outer = frame(grown(box(side // 2, side // 2, 9, 9), 9, 9, 9, 9), side)
            sized = [*holed, *outer]
            whole = sum((b[2] - b[0]) * (b[3] - b[1]) for b in sized)
            yield Pattern(f"with a hole, {word} {by:+d}", whole < s.limit or _above(whole, s), (sized,))
    a = math.isqrt(s.limit) + 1
    yield Pattern("two halves that abut", False, ([box(0, 0, 9, a), box(9, 0, a - 9, a)],))
    yield Pattern("two halves apart", True, ([box(0, 0, a // 2, a), box(2 * a, 0, a // 2, a)],))
    yield Pattern("crossing", False, ([box(-a, 0, 3 * a, a // 2), box(0, -a, a // 2, 3 * a)],))
    yield Pattern("inside", False, ([box(0, 0, a), box(9, 9, 9)],))
    yield Pattern("coincident", False, ([box(0, 0, a), box(0, 0, a)],))
    yield Pattern("coincident and too small", True, ([box(0, 0, a // 2), box(0, 0, a // 2)],))
    yield Pattern("absent", False, ([],))


def _above(steps: int, s: Setting) -> bool:
    return s.options.most is not None and steps > round(s.options.most / DBU**2)


def hole_area(s: Setting) -> Iterator[Pattern]:
    (wall,) = s.sides
    wide = next(side for side in range(math.isqrt(s.limit), 0, -1) if s.limit % side == 0)  # as square as may be
    high = s.limit // wide
    for by in STEPS:
        hole = box(0, 0, wide, high + (by > 0))
        filled = [box(0, 0, 1)] if by < 0 else [box(0, 0, wide - 1, 1)] if by > 0 else []
        yield Pattern(f"hole {by:+d}", by < 0, ([*frame(hole, wall), *filled],))
        yield Pattern(f"notch {by:+d}", False, ([*frame(hole, wall)[1:], *filled],))
        x, y = wide + by, high + by
        bars = [box(-wall, low, x + 2 * wall, wall) for low in (-wall, y)]
        bars += [box(left, -wall, wall, y + 2 * wall) for left in (-wall, x)]
        yield Pattern(f"between bars that cross {by:+d}", by < 0, (bars,))
    hole = box(0, 0, wide, high)
    yield Pattern("something stands inside", False, ([*frame(hole, wall), box(9, 9, wide - 18, high - 18)],))
    yield Pattern("coincident", False, ([*frame(hole, wall), *frame(hole, wall)],))
    yield Pattern("filled", False, ([*frame(hole, wall), hole],))
    yield Pattern("two holes of half the area", True, ([*frame(hole, wall), box(wide // 2, 0, 9, high)],))
    yield Pattern("absent", False, ([],))


def aspect_ratio(s: Setting) -> Iterator[Pattern]:
    least, rest = divmod(dbu(s.options.height) * 1000, s.limit)
    assert not rest, "the least width is a whole number of units"
    from conformance import width

    yield from width(replace(s, limit=least))


def density(s: Setting) -> Iterator[Pattern]:
    o = s.options
    side, step = dbu(o.window), dbu(o.apart)
    die = box(0, 0, side)
    for asked, wrong in ((o.min, -1), (o.max, 1)):
        for by in STEPS if asked is not None else ():
            wide = round(side * asked / 100) + by
            word = "least" if wrong < 0 else "most"
            yield Pattern(f"{word} {by:+d}", by == wrong, ([box(0, 0, wide, side)], [die]))
            halves = [box(0, 0, wide, side // 2), box(side - wide, side // 2, wide, side // 2)]
            yield Pattern(f"{word}, kissing or apart {by:+d}", by == wrong, (halves, [die]))
            twice = [box(0, 0, wide, side), box(0, 0, wide, side)]
            yield Pattern(f"{word}, coincident {by:+d}", by == wrong, (twice, [die]))
            beyond = [box(0, -side, wide, 3 * side)]
            yield Pattern(f"{word}, crossing the border {by:+d}", by == wrong, (beyond, [die]))
    if o.gradient is not None:
        assert 2 * step == side, "drawn for windows that overlap by half"
        # what only the first of two windows sees, what both see, and what only the second sees
        for by in STEPS:
            first, second = round(side * 0.7) + 1, round(side * 0.7) + 1 - round(side * o.gradient / 50) - by
            both = round(side * 0.5)
            bars = [box(0, 0, step, first), box(step, 0, step, both), box(2 * step, 0, step, second)]
            yield Pattern(f"gradient {by:+d}", by > 0, (bars, [box(0, 0, side + step, side)]))
    yield Pattern("outside", o.min is not None, ([box(2 * side, 0, side)], [die]))
    yield Pattern("absent", o.min is not None, ([], [die]))
    yield Pattern("ground absent", False, ([box(0, 0, side)], []))


def count(s: Setting) -> Iterator[Pattern]:
    b = s.sides[1] + s.sides[1] % 2
    least, most = s.options.bounds
    die = box(0, 0, 8 * (most or least + 2) * b)

    def row(number: int) -> Boxes:
        return [box(2 * i * b, b, b) for i in range(1, number + 1)]

    for number in range((most or least + 1) + 2):
        wrong = number < least or (most is not None and number > most)
        yield Pattern(f"{number}", wrong, ([die], row(number)))
    for by in STEPS:  # the centre beside the border, on it, and within
        edge = box(-b // 2 + by, 3 * b, b)
        yield Pattern(f"centre on the border {by:+d}", by < 0 and least > 0, ([die], [*row(least - 1), edge]))
    halves = [box(0, b, b // 2, b), box(b // 2, b, b // 2, b)]
    yield Pattern("two halves that abut", False, ([die], [*row(least - 1), *halves]))
    yield Pattern("coincident", False, ([die], [*row(least), *row(least)]))
    yield Pattern("one coincident, too few", least > 0, ([die], [*row(least - 1), *row(least - 1)]))
    yield Pattern("outside", least > 0, ([die], [box(die[2] + b, 0, b)] * least))
    yield Pattern("second absent", least > 0, ([die], []))
    yield Pattern("first absent", False, ([], row(least)))


def centred_on(s: Setting) -> Iterator[Pattern]:
    a, b = s.sides
    b += (a - b) % 2  # so that both centres may lie on one point
    one = box(0, 0, a)
    half = (a - b) // 2
    for by in STEPS:
        v = s.limit + by
        yield Pattern(f"to one side {by:+d}", by > 0, ([one], [box(half + v, half, b)]))
    for by, dx, dy in s.corners():
        yield Pattern(f"diagonal {by:+d}", by > 0, ([one], [box(half + dx, half + dy, b)]))
    centred = box(half, half, b)
    yield Pattern("inside", False, ([grown(one, b, b, b, b)], [centred]))
    yield Pattern("around", False, ([one], [grown(centred, a, a, a, a)]))
    yield Pattern("coincident", False, ([one], [one]))
    yield Pattern("crossing", False, ([grown(one, a, 0, a, 0)], [grown(one, 0, a, 0, a)]))
    yield Pattern("target of two halves that abut", False, ([one], [(0, 0, 9, a), (9, 0, a, a)]))
    yield Pattern("on a hole's centre", False, ([one], frame(one, b)))
    yield Pattern("abutting", True, ([one], [box(a, 0, b)]))
    yield Pattern("kissing corners", True, ([one], [box(a, a, b)]))
    yield Pattern("second absent", True, ([one], []))
    yield Pattern("first absent", False, ([], [one]))


def bending(s: Setting) -> Iterator[Pattern]:
    """A square post, its walls straight down to a foot, by the closed form of a tapered cantilever with shear."""
    o, a = s.options, s.sides[0]
    assert (o.ends, o.waist) == ("free", 0), "the closed form is that of a free end without a waist"
    top, height = a * DBU, o.height
    foot = top + 2 * o.foot
    assert foot - top < top / 2, "else the stress is not the highest at the foot"
    kappa, rigidity = 10 * (1 + o.poisson) / (12 + 11 * o.poisson), o.modulus / (2 * (1 + o.poisson))
    compliance = 4 * height**3 / (o.modulus * top * foot**3) + height / (kappa * rigidity * top * foot)
    yields = o.yield_stress * 1e-3 * foot**3 / (6 * height) * compliance
    growth = abs(o.board_expansion - o.die_expansion) * 1e-6 * o.swing
    far = int(s.limit * DBU * yields / growth / DBU)
    half, wide = a // 2, far + 500_000
    die = box(-wide, -wide, 2 * wide)
    for by in STEPS:
        v = far + by
        yield Pattern(f"beside {by:+d}", by > 0, ([box(v - half, -half, a)], [die]))
        pair = [box(-half, -v - half, a), box(-half, far // 2 - half, a)]
        yield Pattern(f"below one that is near {by:+d}", by > 0, (pair, [die]))
    halves = [(-wide, -wide, 9, wide), (9, -wide, wide, wide)]
    yield Pattern("die of two halves that abut", False, ([box(far - half, -half, a)], halves))
    parts = [box(-half, -half, 9, a), box(9 - half, -half, a - 9, a)]
    yield Pattern("post of two halves that abut", False, (parts, [die]))
    yield Pattern("in the middle", False, ([box(-half, -half, a)], [die]))
    ring = frame(box(2 - wide, 2 - wide, 2 * wide - 4), 2)
    yield Pattern("in a seal ring", True, ([box(far + 1 - half, -half, a)], ring))
    yield Pattern("stout", True, ([box(0, 0, dbu(height) // 2)], [die]))
    yield Pattern("hollow", True, (frame(box(-half // 2, -half // 2, half), half // 2), [die]))
    yield Pattern("first absent", False, ([], [die]))


def angle(s: Setting) -> Iterator[Pattern]:
    (a, *more) = s.sides
    rest: tuple[Boxes, ...] = ([],) * len(more)
    diagonal = s.options.step == 90
    yield Pattern("box", False, ([box(0, 0, a)], *rest))
    yield Pattern("hole", False, (frame(box(0, 0, a), a), *rest))
    yield Pattern("notch", False, (frame(box(0, 0, a), a)[1:], *rest))
    yield Pattern("diagonal", diagonal, ([((0, 0), (a, a), (a, 0))], *rest))
    for by in STEPS:
        yield Pattern(f"off the diagonal {by:+d}", diagonal or by != 0, ([((0, 0), (a, a + by), (a, 0))], *rest))
        yield Pattern(f"off the axis {by:+d}", by != 0, ([((0, 0), (0, a), (a, a + by), (a, 0))], *rest))
    yield Pattern("in a hole", True, ([*frame(box(0, 0, a), a), ((0, 0), (0, 9), (a, 0))], *rest))
    yield Pattern("covered", False, ([box(0, 0, a), ((0, 0), (9, a), (a, a), (a, 0))], *rest))
    yield Pattern("abutting", False, ([((0, 0), (0, a), (9, a), (a, 0)), ((9, a), (a, a), (a, 0))], *rest))
    yield Pattern("absent", False, ([], *rest))


def acute_corner(s: Setting) -> Iterator[Pattern]:
    (a, *more) = s.sides
    rest: tuple[Boxes, ...] = ([],) * len(more)
    turn = math.radians(s.limit / 1000)
    high = 20 * a
    lean = math.floor(high / math.tan(turn))  # the most that leaves the corner at the limit at least
    for by in STEPS:
        leaning: Corners = ((0, 0), (lean + by, high), (2 * high, high), (2 * high, 0))
        found = math.atan2(high, lean + by) < turn
        assert found == (by > 0)
        yield Pattern(f"corner {by:+d}", found, ([leaning], *rest))
        notched = [*frame(box(0, 0, 2 * high, high), a), ((0, 0), (0, high), (lean + by, high))]
        yield Pattern(f"in a hole {by:+d}", by > 0 and s.options.corners == "all", (notched, *rest))
    yield Pattern("box", False, ([box(0, 0, a)], *rest))
    yield Pattern("octagon", False, ([_rounded(8, a)], *rest))
    yield Pattern("half of a square", True, ([((0, 0), (a, a), (a, 0))], *rest))
    yield Pattern("covered", False, ([box(0, 0, a), ((0, 0), (a, a), (a, 0))], *rest))
    yield Pattern("abutting", False, ([((0, 0), (a, a), (a, 0)), ((0, 0), (0, a), (a, a))], *rest))
    yield Pattern("crossing", False, ([box(-a, 0, 3 * a, a), box(0, -a, a, 3 * a)], *rest))
    yield Pattern("coincident", False, ([box(0, 0, a), box(0, 0, a)], *rest))
    yield Pattern("absent", False, ([], *rest))


def max_vertices(s: Setting) -> Iterator[Pattern]:
    most = s.limit // 1000
    (a, *more) = s.sides
    rest: tuple[Boxes, ...] = ([],) * len(more)
    wide = 10 * a
    for by in STEPS:
        yield Pattern(f"round {by:+d}", by > 0, ([_rounded(most + by, wide)], *rest))
    for by in (-2, 0, 2):
        # a comb has four corners for each tooth, two more, and two where something sticks out at its end
        teeth, ends = divmod(most + by - 2, 4)
        comb: Boxes = [box(0, 0, 2 * teeth * a, a), *(box(2 * i * a, a, a) for i in range(teeth))]
        comb += [box(2 * teeth * a - 9, a - 9, 18, 9)] if ends else []
        yield Pattern(f"comb {by:+d}", by > 0, (comb, *rest))
        lid = box(0, 2 * a, 2 * teeth * a - a, a)  # closes all notches but the last: as many corners, in holes
        yield Pattern(f"holes {by:+d}", by > 0, ([*comb, lid], *rest))
    yield Pattern("apart", False, ([_rounded(most, wide), _rounded(most, wide, 3 * wide)], *rest))
    yield Pattern("coincident", False, ([_rounded(most, wide), _rounded(most, wide)], *rest))
    yield Pattern("crossing", True, ([_rounded(most, wide), box(-wide, 1, 2 * wide, 9)], *rest))
    yield Pattern("inside", False, ([box(0, 0, wide), _rounded(most + 2, a, wide // 2, wide // 2)], *rest))
    yield Pattern("absent", False, ([], *rest))


def connected(s: Setting) -> Iterator[Pattern]:
    yield from _joined(s, to=False)


def not_connected(s: Setting) -> Iterator[Pattern]:
    yield from _joined(s, to=True)


def _joined(s: Setting, *, to: bool) -> Iterator[Pattern]:
    """to: whether it is wrong that both layers are joined."""
    a, b = s.sides
    one, far = box(0, 0, a), FAR
    for by in STEPS:
        yield Pattern(f"end on end {by:+d}", (by < 0) is to, ([one], [box(a + by, 0, b)]))
        yield Pattern(f"corner on corner {by:+d}", (by < 0) is to, ([one], [box(a + by, a + by, b)]))
    wide = grown(one, b, b, b, b)
    yield Pattern("inside", to, ([one], [wide]))
    yield Pattern("around", to, ([grown(box(0, 0, b), a, a, a, a)], [box(0, 0, b)]))
    yield Pattern("crossing", to, ([box(-b, 0, 2 * b + a, a)], [box(0, -a, b, 2 * a + b)]))
    yield Pattern("coincident", to, ([one], [one]))
    yield Pattern("through one that abuts", to, ([one, box(a, 0, a)], [box(2 * a - 9, 0, b)]))
    yield Pattern("through one that kisses", to, ([one, box(a, a, a)], [box(2 * a - 9, 2 * a - 9, b)]))
    yield Pattern("through the other layer", to, ([one, box(a + far, 0, a)], [box(9, 0, 2 * a + far, max(a, b))]))
    yield Pattern("through the other, which abuts", to, ([one], [box(a - 9, 0, b), box(a - 9 + b, 0, b)]))
    yield Pattern("in the other's hole", not to, ([one], frame(grown(one, 9, 9, 9, 9), b)))
    yield Pattern("apart", not to, ([one], [box(a + far, 0, b)]))
    yield Pattern("other absent", not to, ([one], []))
    yield Pattern("layer absent", False, ([], [box(0, 0, b)]))


def one_piece(s: Setting) -> Iterator[Pattern]:
    a = s.sides[0]
    least = a + FAR
    long = box(0, 0, 3 * a, a)
    die = grown(long, least, least, least + 9 * a, least + 9 * a)
    dies: tuple[Boxes, ...] = ([die],) if len(s.sides) > 1 else ()
    for by in STEPS:
        yield Pattern(f"side by side {by:+d}", by > 0, ([long, box(3 * a + by, 0, a)], *dies))
        yield Pattern(f"corner to corner {by:+d}", by > 0, ([long, box(3 * a + by, a + by, a)], *dies))
        if dies:
            beside = box(die[2] + by, 0, a)
            yield Pattern(f"reaching into the die {by:+d}", by < 0, ([long, beside], *dies))
    yield Pattern("one", False, ([long], *dies))
    yield Pattern("inside", False, ([long, box(9, 9, 9)], *dies))
    yield Pattern("coincident", False, ([long, long], *dies))
    yield Pattern("crossing", False, ([long, box(a, -a, a, 3 * a)], *dies))
    yield Pattern("in a hole", True, ([*frame(grown(box(0, 0, a), 9, 9, 9, 9), a), box(0, 0, a)], *dies))
    yield Pattern("several", True, ([long, box(0, 3 * a, a), box(0, 6 * a, a)], *dies))
    yield Pattern("absent", False, ([], *dies))
    if dies:
        other = (die[0] + 20 * least + 20 * a, die[1], die[2] + 20 * least + 20 * a, die[3])
        yield Pattern("one in each die", False, ([long, box(other[0] + least, 0, a)], [die, other]))
        yield Pattern("over two dies that touch", True, ([long, box(other[0], 0, a)], [die, (die[2], *other[1:])]))


def closed_ring(s: Setting) -> Iterator[Pattern]:
    a = s.sides[0]
    around, surrounds, more_layers = len(s.sides) > 1, max(s.sides[1:] or s.sides), len(s.sides) - 1
    inner = box(0, 0, surrounds)
    two_holes = not s.options.merged

    def pattern(name: str, found: bool, rings: Boxes, within: Boxes, apart: Boxes | None = None) -> Pattern:
        return Pattern(name, found, (rings, within, apart or [])[: 1 + more_layers])

    wall = max(a, s.limit + FAR)
    hole = grown(inner, 9, 9, 9, 9)
    ring = frame(hole, wall)
    for by in STEPS if s.limit else ():
        v = s.limit + by
        yield pattern(f"wall {by:+d}", by < 0, frame(hole, v), [inner])
        bottom, top, left, right = ring
        yield pattern(f"wall on one side {by:+d}", by < 0,
                      [bottom, top, (left[2] - v, *left[1:]), right], [inner])  # fmt: skip
    for by, dx, dy in s.corners():
        x0, y0, x1, y1 = hole
        rings = [(x0 - wall, y0 - wall, x1 + wall, y0), (x0 - wall, y0, x0, y1 + wall),
                 (x0, y1, x1 + dx, y1 + wall), (x1, y0, x1 + wall, y1 + dy)]  # fmt: skip
        yield pattern(f"corner to corner {by:+d}", by < 0, rings, [inner])
    yield pattern("open by one unit", True, [*ring[:2], ring[2], (ring[3][0], ring[3][1], ring[3][2], ring[3][3] - 1)],
                  [inner])  # fmt: skip
    x0, y0, x1, y1 = hole
    kissing = [*ring[:1], (x0 - wall, y0, x0, y1 + wall), (x1, y0, x1 + wall, y1), (x0, y1, x1, y1 + wall)]
    yield pattern("closed in a corner only", True, kissing, [inner])
    yield pattern("filled", True, [hole], [inner])
    if around:
        beside = grown(inner, -4 * wall - 4 * surrounds, 0, 4 * wall + 4 * surrounds, 0)
        yield pattern("beside it", True, ring, [inner, beside])
        yield pattern("crossing by one unit", True, ring, [inner, (inner[0], inner[1], hole[2] + 1, inner[3])])
        yield pattern("no ring", True, [], [inner])
        second = [(b[0] + 9 * wall + 9 * surrounds, b[1], b[2] + 9 * wall + 9 * surrounds, b[3]) for b in ring]
        yield pattern("a second ring around nothing", True, [*ring, *second], [inner])
        yield pattern("touching from inside", False, ring, [hole])
        yield pattern("in two rings", False, [*ring, *frame(grown(hole, *[3 * wall] * 4), wall)], [inner])
    cross = (hole[0] - wall - wall, hole[1] - wall, hole[0] - wall, hole[3] + wall)
    more = frame((hole[2] + wall, hole[1], hole[2] + wall + surrounds + 18, hole[3]), wall)
    shifted = (inner[0] + (by := hole[2] + wall - hole[0]), inner[1], inner[2] + by, inner[3])
    yield pattern("two that share a wall", two_holes, [*ring, *more], [inner, shifted])
    yield pattern("wider on one side", False, [*ring, cross], [inner])
    if more_layers > 1:
        side = s.sides[2]
        other = box(hole[2] + wall + 9, 0, side)
        its = frame(grown(other, 9, 9, 9, 9), wall)
        yield pattern("each in a ring", False, [*ring, *its], [inner], [other])
        yield pattern("another beside the rings", True, ring, [inner], [other])
        yield pattern("another beside a ring of its own", True, [*ring, *its], [inner], [other, box(other[2], 0, side)])
        both = frame((hole[0], hole[1], other[2] + FAR, max(hole[3], other[3] + FAR)), wall)
        yield pattern("both in one ring", True, both, [inner], [other])
        wide = frame(grown((*hole[:2], its[0][2], max(hole[3], its[1][3])), FAR, FAR, FAR, FAR), wall)
        island = [*wide, *its]
        yield pattern("another on an island within the ring", False, island, [inner], [other])
        opened = [*wide, *its[:3]]
        yield pattern("another on an island that is open", True, opened, [inner], [other])
    yield pattern("coincident", False, [*ring, *ring], [inner])
    yield pattern("absent", False, [], [])


def _rounded(points: int, diameter: int, x: int = 0, y: int = 0) -> Corners:
    return tuple((x + int(px), y + int(py)) for px, py in to_dbu(circle(diameter * DBU, points)).tolist())


def sealed(s: Setting) -> Iterator[Pattern]:
    cavity, wall, bore, least = (max(side, 20) for side in s.sides)
    lining = max(bore + 2 * s.limit, least)
    inner = box(0, 0, cavity)
    hole = grown(inner, 9, 9, 9, 9)
    wide = max(wall, lining + 2 * FAR)
    ring = frame(hole, wide)
    opening = box(-9 - wide // 2, 0, bore)
    more = (lining - bore) // 2
    cap = grown(opening, more, more, more, more)

    def pattern(name: str, found: bool, frames: Boxes, bores: Boxes, linings: Boxes) -> Pattern:
        return Pattern(name, found, ([inner], frames, bores, linings))

    for by in STEPS if s.limit and lining == bore + 2 * s.limit else ():
        yield pattern(f"overlap {by:+d}", by < 0, ring, [opening], [grown(cap, by, by, by, by)])
        yield pattern(f"overlap on one side {by:+d}", by < 0, ring, [opening], [grown(cap, by, 0, 0, 0)])
    yield pattern("far more overlap", False, ring, [opening], [grown(cap, *[FAR // 2] * 4)])
    x, y, _, top = cap
    yield pattern("two that abut over it", False, ring, [opening], [(x, y, x + 9, top), (x + 9, *cap[1:])])
    yield pattern("two with a slit over it", True, ring, [opening], [(x, y, opening[0] + 9, top),
                                                                    (opening[0] + 10, *cap[1:])])  # fmt: skip
    yield pattern("bare", True, ring, [opening], [])
    another = box(opening[0], top + FAR, bore)
    yield pattern("covered, and another one bare", True, ring, [opening, another], [cap])
    outside = -9 - wide
    for by in STEPS:
        beside = box(outside - bore - by, 0, bore)
        yield pattern(f"beside what leaks {by:+d}", by <= 0, ring, [beside], [])
        further = box(outside - wall - by, 0, wall)
        yield pattern(f"through what stands beside {by:+d}", by <= 0, [*ring, further],
                      [(further[0] - bore, 0, further[0], bore)], [])  # fmt: skip
    far = grown(box(cavity + 4 * wide, 0, cavity), 9, 9, 9, 9)
    yield pattern("within another ring", False, [*ring, *frame(far, wall)], [far], [])
    yield pattern("beside the cavity in its ring", True, frame(grown(hole, bore, bore, bore, bore), wide),
                  [box(-9 - bore, 0, bore)], [])  # fmt: skip
    island = box(cavity + FAR + wall, 0, bore)
    both = frame(grown((*hole[:2], island[2] + FAR + wall, max(hole[3], island[3] + FAR + wall)), 0, FAR + wall, 0, 0),
                 wide)  # fmt: skip
    yield pattern("within an island", True, [*both, *frame(island, wall)], [island], [])
    yield Pattern("what leaks holds no cavity", False, ([box(4 * wide + 2 * cavity, 0, cavity)], ring, [opening], []))
    yield pattern("absent", False, ring, [], [cap])


def reaches_cut(s: Setting) -> Iterator[Pattern]:
    a, ground, *bands = s.sides
    sure = box(0, 0, max(bands), 9 * (a + ground + FAR))
    maybe = grown(sure, FAR, 0, FAR, 0)
    long = max(ground, 3 * FAR)
    own = (-long, 0, 9, ground)

    def pattern(name: str, found: bool, metal: Boxes, grounds: Boxes) -> Pattern:
        return Pattern(name, found, (metal, grounds, [maybe], [sure]))

    high = 3 * ground + 2 * FAR
    for by in STEPS:
        yield pattern(f"ground {by:+d}", by < 0, [], [(-long, 0, by, ground)])
        yield pattern(f"another net {by:+d}", by > 0, [box(-FAR - a + by, high, a)], [own])
        yield pattern(f"ground by other metal {by:+d}", by < 0, [box(-long + by, 0, long, max(a, ground))],
                      [box(-long, 0, ground)])  # fmt: skip
    joined = box(-FAR - a - ground + 9, high, a + 9)
    yield pattern("joined with ground", False, [box(-FAR - a + 9, 0, a, high)], [own])
    yield pattern("across, with no ground", True, [(-long, high, sure[2] + long, high + a)], [own])
    yield pattern("ground across", False, [], [(-long, 0, sure[2] + long, ground)])
    yield pattern("one of two grounds", True, [], [own, box(-long, high, ground)])
    yield pattern("within what is taken", False, [box(9, high, max(bands) - 18, 9)] if max(bands) - 18 >= a else [],
                  [own])  # fmt: skip
    yield pattern("far from it", False, [box(joined[0] - long, high, a)], [own])
    yield pattern("no ground", False, [box(joined[0] - long, high, a)], [])


MAKERS = {
    "sealed": sealed, "reaches_cut": reaches_cut,
    "connected": connected, "not_connected": not_connected, "one_piece": one_piece, "closed_ring": closed_ring,
    "max_width": max_width, "notch": notch, "wide_space": wide_space, "outside_or_inside": outside_or_inside,
    "extension": extension, "outside": outside, "exact_shape": exact_shape, "area": area, "hole_area": hole_area,
    "aspect_ratio": aspect_ratio, "density": density, "count": count, "centred_on": centred_on, "bending": bending,
    "angle": angle,
    "acute_corner": acute_corner, "max_vertices": max_vertices,
}  # fmt: skip
