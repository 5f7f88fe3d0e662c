"""What the cut leaves of the ties: how long stubs are, how near their cut ends, what lies under them, what they cross.

A stub is what surely may stay of a tie: it ends at what the blade surely takes, or further back. Its cut end carries a
burr, so it keeps its distance from the ends beside it and from those across the narrowest cut; and where no dielectric
lies under it, it shorts to the silicon of the street. All is found by kinds of pieces, and holds wherever they stand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import klayout.db as kdb
import numpy as np
import shapely
import shapely.affinity

from layoutgen.connect.joined import Joined
from layoutgen.connect.kinds import outline
from layoutgen.connect.rules import COVER, CROSSINGS, STUBS, TEXTS
from layoutgen.connect.sheets import NONE, Bools, Ints, Nodes, Sheet
from layoutgen.connect.stack import METAL, stack
from layoutgen.connect.wafer import Wafer, moved_to
from layoutgen.findings import Finding, Hull, RuleResult, Status
from layoutgen.pdk import Cut, Pdk
from layoutgen.units import DBU, dbu
from layoutgen.windows.arrays import distinct_rows

MOST = 1000
"""Pieces that a stub is followed through."""
RULES = (STUBS, COVER, CROSSINGS)


@dataclass(frozen=True)
class _Ties:
    """What stays of the ties: its pieces, and the net of each after the cut."""

    sheet: Sheet
    nodes: Nodes
    net: Ints


def needs(pdk: Pdk) -> list[str]:
    """The drawn layers that these checks look at besides the levels of metal and the cut."""
    cut = pdk.cut
    found = [name for name in ("die",) if name in pdk.reserved]
    if cut:
        found += [*cut.ties_avoid, *(stack(pdk).drawn(cut.bares) if cut.bares else ())]
    return found


def check_stubs(
    wafer: Wafer, after: Joined, sure: Sheet, maybe: Sheet, say: Callable[[str], None] = lambda _: None
) -> list[RuleResult]:
    """The rules on stubs, given what is joined once all that the blade surely takes is gone.

    sure and maybe: what it surely takes, and what it may take. say: is told how long stubs are, and what was not drawn.
    """
    cut = wafer.pdk.cut
    if cut is None:
        return [RuleResult(rule, TEXTS[rule], Status.NOT_APPLICABLE, "the process has no [cut]") for rule in RULES]
    sheet = after.sheets[METAL]
    mine = wafer.on(sheet, "tie")
    if not mine.any():
        reason = "there is nothing on the layer of ties"
        none = [RuleResult(rule, TEXTS[rule], Status.NOT_APPLICABLE, reason) for rule in RULES[:2]]
        return [*none, _crossings(wafer, cut, say)]
    own = sheet.taken(mine)
    ties = _Ties(own, wafer.pieces.nodes(own), after.net[METAL][mine[after.nodes[METAL].instance]])
    for line in _lengths(wafer, after, sure):
        say(line)
    return [_spaces(wafer, cut, ties, sure, maybe), _cover(wafer, cut, ties), _crossings(wafer, cut, say)]


# how long they are ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Stub:
    """One kind of stub (um): how far it runs straight from its cut end, and how far from there what it ties is."""

    straight: float
    reach: float
    net: int
    at: tuple[float, float]


def _lengths(wafer: Wafer, after: Joined, sure: Sheet) -> Iterator[str]:
    """In words, how long the longest and the shortest stub is."""
    total, stubs = _stubs(wafer, after, sure)
    if not stubs:
        return
    cut = wafer.pdk.cut
    less = cut.touched - cut.removed if cut else 0.0
    yield (
        f"Stubs: {total}; lengths where the blade takes least, and {less:g} um less where it takes most; straight: "
        "from the cut end to the first turn; to what it ties: as the crow flies"
    )
    for word, pick in (("longest", max), ("shortest", min)):
        s = pick(stubs, key=lambda s: (s.reach, s.straight, s.at))
        x, y = s.at
        name = _name(wafer, after, s.net)
        net = f"of net {name}, " if name else ""
        yield f"The {word} stub: {net}straight for {s.straight:g} um, {s.reach:g} um to what it ties, at ({x:g}, {y:g})"


def _stubs(wafer: Wafer, after: Joined, sure: Sheet) -> tuple[int, list[_Stub]]:
    """How many pieces of ties a cut has ended; and a stub of each kind, by such a piece and one that it meets."""
    sheet, nodes = after.sheets[METAL], after.nodes[METAL]
    tie = wafer.on(sheet, "tie")[nodes.instance]
    changed = tie & (sheet.kind != wafer.sheets[METAL].kind)[nodes.instance]
    ended = np.flatnonzero(changed)
    kinds, first, count = np.unique(nodes.piece[ended], return_index=True, return_counts=True)
    faces = _Faces(wafer, sure)
    real = [not faces.of(kdb.Region(wafer.pieces.polygon(sheet, nodes, k))).is_empty() for k in ended[first].tolist()]
    changed[ended[~np.isin(nodes.piece[ended], kinds[real])]] = False
    u, v = wafer.known[sheet, sheet]
    some = changed[u] | changed[v]
    a, b = u[some], v[some]
    rows = np.column_stack([nodes.piece[a], nodes.piece[b], sheet.at[nodes.instance[b]] - sheet.at[nodes.instance[a]]])
    chosen = distinct_rows(rows)[0] if len(rows) else np.empty(0, dtype=np.int64)
    starts = np.unique(np.concatenate([a[chosen], b[chosen]]))
    starts = starts[changed[starts]]
    inside = np.zeros(len(tie), dtype=bool)  # those, and whatever touches them through ties
    inside[starts] = True
    while True:
        near = inside[u] | inside[v]
        more = np.concatenate([u[near], v[near]])
        more = more[tie[more] & ~inside[more]]
        if not len(more):
            break
        inside[more] = True
    beside: dict[int, set[int]] = {}
    for p, q in zip(u[near].tolist(), v[near].tolist(), strict=True):
        beside.setdefault(p, set()).add(q)
        beside.setdefault(q, set()).add(p)
    out = []
    for k in starts.tolist():
        members, todo = {k}, [k]
        while todo and len(members) < MOST:
            found = beside.get(todo.pop(), set()) - members
            members |= found
            todo += [n for n in sorted(found) if tie[n]]
        measured = _measured(wafer, sheet, nodes, np.array(sorted(members)), tie, faces)
        if measured is not None:
            straight, reach, point = measured
            out.append(_Stub(straight, reach, int(after.net[METAL][k]), point))
    return int(count[real].sum()), out


def _name(wafer: Wafer, after: Joined, net: int) -> str:
    """The name of a net by its number after the cut, where a terminal on the metal of ties has one."""
    t = wafer.terminals
    if not len(t.die):
        return ""
    some = (after.at(METAL, t.cloud) == net) & (t.net >= 0)
    some &= t.pad | (wafer.stack.top == METAL)
    return t.nets[int(t.net[int(np.argmax(some))])] if some.any() else ""


def _measured(
    wafer: Wafer, sheet: Sheet, nodes: Nodes, members: Ints, tie: Bools, faces: _Faces
) -> tuple[float, float, tuple[float, float]] | None:  # fmt: skip
    """How far one stub runs straight, how far what it ties is, and where it ends (um); None: no cut made it."""
    mine = members[tie[members]]
    others = members[~tie[members]]
    merged = kdb.Region([wafer.pieces.polygon(sheet, nodes, k) for k in mine.tolist()]).merged()
    ends = faces.of(merged)
    if ends.is_empty():
        return None
    straight, point = 0.0, (0.0, 0.0)
    for polygon in merged.each():
        edges = [*polygon.each_edge()]
        for k, edge in enumerate(edges):
            if (ends & kdb.Edges(edge)).is_empty():
                continue
            beside = [e.length() for e in (edges[k - 1], edges[(k + 1) % len(edges)]) if not e.d().sprod(edge.d())]
            if beside and min(beside) > straight:
                middle = edge.bbox().center()
                straight, point = float(min(beside)), (middle.x * DBU, middle.y * DBU)
    if not straight:
        middle = ends.bbox().center()
        point = (middle.x * DBU, middle.y * DBU)
    face = shapely.multilinestrings([[(e.x1, e.y1), (e.x2, e.y2)] for e in ends.each()])
    far = [shapely.distance(face, outline(wafer.pieces.polygon(sheet, nodes, k))) for k in others.tolist()]
    reach = min(far) if far else max(merged.bbox().width(), merged.bbox().height())
    return round(straight * DBU, 3), round(float(reach) * DBU, 3), point


class _Faces:
    """Where the edges of something lie on the edge of what the blade surely takes."""

    def __init__(self, wafer: Wafer, sure: Sheet) -> None:
        self._wafer, self._sure = wafer, sure
        self._nodes = wafer.pieces.nodes(sure)
        self._boxes = wafer.pieces.boxes(sure, self._nodes)

    def of(self, region: kdb.Region) -> kdb.Edges:
        """The edges of a region that the blade made."""
        box = region.bbox().enlarged(1, 1)
        low, high = np.array([box.left, box.bottom]), np.array([box.right, box.top])
        near = np.flatnonzero((self._boxes[:, :2] <= high).all(axis=1) & (self._boxes[:, 2:] >= low).all(axis=1))
        gone = kdb.Region([self._wafer.pieces.polygon(self._sure, self._nodes, k) for k in near.tolist()])
        return region.edges() & gone.merged().edges()


# how near their ends are ----------------------------------------------------------------------------------------


def _spaces(wafer: Wafer, cut: Cut, ties: _Ties, sure: Sheet, maybe: Sheet) -> RuleResult:
    """The cut ends of different nets, wherever the blade may end them."""
    if cut.clearance is None:
        reason = "[cut] of the process does not say how far apart stubs must be: clearance"
        return RuleResult(STUBS, TEXTS[STUBS], Status.NOT_APPLICABLE, reason)
    text = f"{TEXTS[STUBS]}: >= {cut.clearance:g} um, with a burr of {cut.burr:g} um"
    if not len(maybe):
        return RuleResult(STUBS, text, Status.SKIPPED, "there is nothing on layer 'cut_maybe'")
    pieces = wafer.pieces
    ends = pieces.without(ties.sheet, pieces.without(ties.sheet, maybe))  # from the least to the most that is taken
    nodes = pieces.nodes(ends)
    net = np.full(len(nodes.piece), NONE)
    u, v = pieces.meetings(ends, ties.sheet, area=True)
    net[u] = ties.net[v]
    asked, wider = dbu(cut.clearance + 2 * cut.burr), dbu(2 * cut.tolerance)
    u, v = pieces.meetings(pieces.grown(ends, asked), ends, area=True)
    two = (u < v) & (net[u] != net[v])
    u, v = u[two], v[two]
    step = ends.at[nodes.instance[v]] - ends.at[nodes.instance[u]]
    rows = np.column_stack([nodes.piece[u], nodes.piece[v], step])
    first, number = distinct_rows(rows) if len(rows) else (np.empty(0, dtype=np.int64),) * 2
    faces = _Faces(wafer, sure)
    findings = []
    for k, one in enumerate(first.tolist()):
        shapes = [pieces.polygon(ends, nodes, int(x[one])) for x in (u, v)]
        a, b = (outline(shape) for shape in shapes)
        one_way, other_way = (_normals(faces, kdb.Region(shape)) for shape in shapes)
        across = _across(one_way, other_way, shapes[0].bbox(), shapes[1].bbox())
        apart = float(shapely.distance(a, shapely.affinity.translate(b, *(wider * n for n in across or (0, 0)))))
        if apart >= asked:
            continue
        places = np.flatnonzero(number == k)
        places = places[np.argsort(places != one, kind="stable")]
        where = "across the narrowest cut" if across else "along the cut"
        note = f"two cut ends are {apart * DBU:g} um apart {where}, less a burr of {cut.burr:g} um on each"
        finding = Finding(STUBS, polygon=_between(a, b), note=note,
                          measured=round(apart * DBU - 2 * cut.burr, 3), asked=cut.clearance)  # fmt: skip
        findings.append(moved_to(finding, ends.at[nodes.instance[u[places]]] - ends.at[nodes.instance[u[one]]]))
    return RuleResult(STUBS, text, Status.RUN, "", tuple(findings))


def _normals(faces: _Faces, region: kdb.Region) -> set[tuple[int, int]]:
    """Toward where cut ends face, along x or y."""
    found = set()
    for edge in faces.of(region).each():  # a region lies to the right of its edges
        dx, dy = edge.dx(), edge.dy()
        if not dx or not dy:
            found.add((-int(np.sign(dy)), int(np.sign(dx))))
    return found


def _across(
    one: set[tuple[int, int]], other: set[tuple[int, int]], a: kdb.Box, b: kdb.Box
) -> tuple[int, int] | None:  # fmt: skip
    """The direction in which two ends face each other across a cut; None: they do not."""
    for x, y in sorted(one):
        ahead = (b.left - a.right) * x if x > 0 else (a.left - b.right) * -x if x else 0
        ahead = ahead or ((b.bottom - a.top) * y if y > 0 else (a.bottom - b.top) * -y if y else 0)
        if (-x, -y) in other and ahead > 0:
            return x, y
    return None


def _between(a: shapely.Polygon, b: shapely.Polygon) -> Hull:
    """A marker 1 um wide from one to the other."""
    line = shapely.shortest_line(a, b)
    corners = np.round(shapely.get_coordinates(shapely.buffer(line, 500, cap_style="square", quad_segs=1)))
    if len(corners) < 4:
        x, y = shapely.get_coordinates(line)[0].round().astype(int).tolist()
        return (x - 500, y - 500), (x + 500, y - 500), (x + 500, y + 500), (x - 500, y + 500)
    return tuple((int(x), int(y)) for x, y in corners[:-1].tolist())


# what lies under them -------------------------------------------------------------------------------------------


def _cover(wafer: Wafer, cut: Cut, ties: _Ties) -> RuleResult:
    """Openings of the dielectric under and beside stubs, where the silicon of the street lies below."""
    if not cut.bares:
        reason = "[cut] of the process does not say what opens the dielectric under ties: bares"
        return RuleResult(COVER, TEXTS[COVER], Status.NOT_APPLICABLE, reason)
    text = f"{TEXTS[COVER]}: nothing of {cut.bares} within {cut.margin:g} um"
    pieces, die = wafer.pieces, wafer.pieces.sheet("die") if "die" in wafer.pdk.reserved else None
    bare = pieces.sheet(cut.bares)
    for sheet, name in ((die, "die"), (bare, cut.bares)):
        if sheet is None or not len(sheet):
            return RuleResult(COVER, text, Status.SKIPPED, f"there is nothing on layer {name!r}")
    assert die is not None  # noqa: S101  returned above
    stubs = pieces.without(ties.sheet, die)
    margin = dbu(cut.margin)

    def near(a: kdb.Polygon, b: kdb.Polygon) -> kdb.Polygon | None:
        one, other = outline(a), outline(b)
        bares = shapely.distance(one, other) < margin or shapely.relate_pattern(one, other, "T********")
        return b if bares else None

    note = "the dielectric is open here, under a tie or too near to it"
    findings = _pairs(wafer, COVER, (stubs, bare), near, lambda _: note, by=margin)
    return RuleResult(COVER, text, Status.RUN, "", tuple(findings))


# what they cross ------------------------------------------------------------------------------------------------


def _crossings(wafer: Wafer, cut: Cut, say: Callable[[str], None]) -> RuleResult:
    """Ties over what they must keep off; and other metal over the edge of a die."""
    text = f"{TEXTS[CROSSINGS]}: {', '.join(cut.ties_avoid)}" if cut.ties_avoid else TEXTS[CROSSINGS]
    pieces = wafer.pieces
    die = pieces.sheet("die") if "die" in wafer.pdk.reserved else None
    if die is None or not len(die):
        return RuleResult(CROSSINGS, text, Status.SKIPPED, "there is nothing on layer 'die'")
    sheet = wafer.sheets[METAL]
    mine = wafer.on(sheet, "tie")
    ties = sheet.taken(mine)
    findings: list[Finding] = []
    empty = []
    for name in cut.ties_avoid:
        kept = pieces.sheet(name)
        if not len(kept):
            empty.append(name)
        findings += _pairs(wafer, CROSSINGS, (ties, kept), _common, lambda _, n=name: f"a tie crosses this of {n}")  # type: ignore[misc]
    if empty:  # no wafer has all of them; but nobody may think that they were looked at
        say(f"{CROSSINGS}: nothing is drawn on {', '.join(empty)}")
        text += f" (nothing is drawn on {', '.join(empty)})"
    for level in wafer.stack.metals:
        findings += _over_the_edge(wafer, wafer.sheets[level], die)
    return RuleResult(CROSSINGS, text, Status.RUN, "", tuple(findings))


def _over_the_edge(wafer: Wafer, sheet: Sheet, die: Sheet) -> Iterator[Finding]:
    """Metal that lies in a die and reaches out of it, and is no tie."""
    other = ~wafer.on(sheet, "tie")
    some = sheet.taken(other)
    names = wafer.pieces.names

    def crosses(metal: kdb.Polygon, outline_: kdb.Polygon) -> kdb.Polygon | None:
        if metal.bbox().inside(outline_.bbox()) and outline_.is_box():
            return None
        over = kdb.Region(metal) - kdb.Region(outline_)
        return metal if not over.is_empty() and not (kdb.Region(metal) & kdb.Region(outline_)).is_empty() else None

    for number in np.unique(some.layer).tolist():
        own = some.layer == number
        part = some.taken(own)
        note = f"{names[number]} crosses the edge of a die, where only ties may"
        yield from _pairs(wafer, CROSSINGS, (part, die), crosses, lambda _, n=note: n, inside=True)  # type: ignore[misc]


def _common(a: kdb.Polygon, b: kdb.Polygon) -> kdb.Polygon | None:
    """The largest common part."""
    parts = [*(kdb.Region(a) & kdb.Region(b)).merged().each()]
    return max(parts, key=lambda p: p.area2()) if parts else b


def _pairs(
    wafer: Wafer, rule: str, sheets: tuple[Sheet, Sheet],
    marker: Callable[[kdb.Polygon, kdb.Polygon], kdb.Polygon | None], note: Callable[[int], str],
    *, by: int = 0, inside: bool = False,
) -> Iterator[Finding]:  # fmt: skip
    """One finding for each way in which pieces of two sheets meet, at all its places.

    marker: of two pieces, what shows it; None: it is none. by: how far apart they may be. inside: leave out pieces of
    the first whose extent lies within that of the second.
    """
    first, second = sheets
    pieces = wafer.pieces
    u, v = pieces.meetings(pieces.grown(first, by) if by else first, second, area=True)
    if not len(u):
        return
    one, other = pieces.nodes(first), pieces.nodes(second)
    if inside:
        a, b = pieces.boxes(first, one)[u], pieces.boxes(second, other)[v]
        out = (a[:, :2] < b[:, :2]).any(axis=1) | (a[:, 2:] > b[:, 2:]).any(axis=1)
        u, v = u[out], v[out]
    if not len(u):
        return
    at = first.at[one.instance[u]]
    rows = np.column_stack([one.piece[u], other.piece[v], second.at[other.instance[v]] - at])
    kinds, number = distinct_rows(rows)
    for k, here in enumerate(kinds.tolist()):
        shape = marker(pieces.polygon(first, one, int(u[here])), pieces.polygon(second, other, int(v[here])))
        if shape is None:
            continue
        places = np.flatnonzero(number == k)
        places = places[np.argsort(places != here, kind="stable")]
        hull: Hull = tuple((p.x, p.y) for p in shape.each_point_hull())
        yield moved_to(Finding(rule, polygon=hull, note=note(k)), at[places] - at[here])
