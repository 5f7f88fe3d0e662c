"""The two states of a wafer: what is one conductor while it is plated, and what is one once it is sawn.

Where the kerf carries the current, all nets of all dies and the contact ring are one conductor before the cut; after
it, whatever the blade surely takes, each net of each die stands alone, and whatever it may take, each is still whole.
Where another current plates, nets stand apart before and after, and no metal lies in the kerf but that of one net,
drawn on the layer of role `ground`, that is to be cut through: so it can be met from the cut's wall.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import klayout.db as kdb
import numpy as np

from layoutgen.connect import stubs
from layoutgen.connect.joined import Joined
from layoutgen.connect.pieces import Pieces
from layoutgen.connect.rules import KERF, NETS, TEXTS, TIED
from layoutgen.connect.sheets import NONE, Ints, Sheet
from layoutgen.connect.stack import METAL, stack
from layoutgen.connect.street import check_street
from layoutgen.connect.terminals import Dies, Terminals
from layoutgen.connect.wafer import Wafer, alike, in_words, moved_to, pieces_found, repeated, square
from layoutgen.connect.witness import gap, way
from layoutgen.findings import Finding, RuleResult, Status
from layoutgen.pdk import Pdk

NAMELESS = "no pad, ball or label says what is a net"
MOST = 50
"""Findings of one kind that are not repeats of each other; of what is beyond, one finding says how many and where."""


def check_wafer(
    pdk: Pdk, flow: str, layout: kdb.Layout, top: kdb.Cell, dies: Dies, terminals: Callable[[Pieces], Terminals],
    *, only_cut: bool = False, say: Callable[[str], None] = lambda _: None,
) -> list[RuleResult]:  # fmt: skip
    """Both states of a layout of any size, over all of its dies.

    terminals: given the pieces, where nets come out. only_cut: judge what is left after the cut alone. say: is told in
    sentences what is no finding, as how long the stubs of ties are.
    """
    levels = stack(pdk)
    bands = pdk.cut.bands() if pdk.cut is not None else {}
    reserved = [name for name in dict.fromkeys(("cut_sure", "cut_maybe", "street", *bands)) if name in pdk.reserved]
    pieces = Pieces(pdk, layout, top, dict.fromkeys([*levels.sources, *reserved, *stubs.needs(pdk)]))
    sheets = {name: pieces.sheet(text) for name, text in levels.levels.items()}
    wafer = Wafer(pdk, levels, pieces, sheets, dies, terminals(pieces), {})
    tied = pdk.flows[flow].current == "kerf"
    sure, maybe = (pieces.sheet(n) if n in pdk.reserved else sheets[METAL] for n in ("cut_sure", "cut_maybe"))
    if tied and not ("cut_sure" in pdk.reserved and len(sure)):
        reason = _undrawn(pieces, "cut_sure")
        return [RuleResult(rule, text, Status.SKIPPED, reason) for rule, text in TEXTS.items()]
    before = wafer.joined({}) if not (tied and only_cut) else None
    parted = tied or (wafer.role("ground") >= 0 and "cut_sure" in pdk.reserved and len(sure) > 0)
    after = wafer.joined(_cut(wafer, sure)) if parted else before
    assert after is not None  # noqa: S101  one of both is there
    results = [RuleResult(NETS, TEXTS[NETS], Status.RUN, "", tuple(_lvs(wafer, after)))]
    if not len(wafer.terminals.die):
        results = [RuleResult(NETS, TEXTS[NETS], Status.SKIPPED, NAMELESS)]
    if tied:
        worst = wafer.joined(_cut(wafer, maybe)) if "cut_maybe" in pdk.reserved and len(maybe) else after
        whole = {f.note for f in results[0].findings}
        more = [f for f in _opens(wafer, worst, *_on(wafer, worst)) if f.note not in whole]
        results[0] = replace(results[0], findings=(*results[0].findings, *more))
        if before is not None:
            results.append(RuleResult(TIED, TEXTS[TIED], Status.RUN, "", tuple(_tied(wafer, before))))
            if not len(wafer.terminals.die):
                results[-1] = RuleResult(TIED, TEXTS[TIED], Status.SKIPPED, NAMELESS)
        kerf = *_left_of_bus(wafer, after), *_in_kerf(wafer, maybe, ("bus", "tie", "ring")), *check_street(wafer)
        results.append(RuleResult(KERF, TEXTS[KERF], Status.RUN, "", kerf))
        results += stubs.check_stubs(wafer, after, sure, maybe, say)
    else:
        street = next((pieces.sheet(n) for n in ("cut_maybe", "street")
                       if n in pdk.reserved and len(pieces.sheet(n))), None)  # fmt: skip
        if street is None:
            reason, status = _undrawn(pieces, "street"), Status.SKIPPED
            if pdk.cut is None:
                reason, status = "there is nothing on layer 'street'", Status.NOT_APPLICABLE  # nobody cuts
            results.append(RuleResult(KERF, TEXTS[KERF], status, reason))
        else:
            kerf = (*_in_kerf(wafer, street, ("ground",)), *_grounds(wafer, after), *check_street(wafer))
            results.append(RuleResult(KERF, TEXTS[KERF], Status.RUN, "", kerf))
    return results


def _undrawn(pieces: Pieces, layer: str) -> str:
    """What to do where nothing is on a layer that says where the blade goes."""
    if len(pieces.sheet("die")):
        return f"there is nothing on layer {layer!r}, though dies are drawn: draw street, cut_sure and cut_maybe too"
    return f"there is nothing on layer {layer!r}: say where the dies and the kerf are with --die and --step"


def _cut(wafer: Wafer, cut: Sheet) -> dict[str, Sheet]:
    """The levels of metal without what the blade takes of them, and the openings between them."""
    names = (*wafer.stack.metals, *(via.name for via in wafer.stack.vias))
    return {name: wafer.pieces.without(wafer.sheets[name], cut) for name in names}


def _on(wafer: Wafer, joined: Joined) -> tuple[Ints, Ints]:
    """The net at each terminal (-1: it stands on no metal), and who it belongs to: a net of a die, or itself."""
    t = wafer.terminals
    on = np.full(len(t.die), NONE)
    levels = _levels(wafer)
    for number, level in enumerate(wafer.stack.metals):
        mine = levels == number
        if mine.any():
            on[mine] = joined.at(level, t.cloud)[mine]
    own = np.where(t.net >= 0, t.net, len(t.nets) + t.name)
    return on, t.die * (len(t.nets) + len(t.names)) + own


def _levels(wafer: Wafer) -> Ints:
    """The number of the metal that each terminal is on."""
    t, metals = wafer.terminals, wafer.stack.metals
    return np.where(t.level >= 0, t.level, np.where(t.pad, 0, metals.index(wafer.stack.top)))


# after the cut --------------------------------------------------------------------------------------------------


def _lvs(wafer: Wafer, joined: Joined) -> Iterator[Finding]:
    """The netlist of each die against what its metal joins."""
    t = wafer.terminals
    on, who = _on(wafer, joined)
    yield from _loose_vias(wafer, joined)
    missing = np.flatnonzero(on < 0)
    yield from alike(wafer, missing, lambda k: f"{t.title(k)} stands on no metal")
    yield from _opens(wafer, joined, on, who)
    yield from _shorts(wafer, joined, on, who)
    yield from _unanswered(wafer, on)
    yield from _standing(wafer, joined)


def _opens(wafer: Wafer, joined: Joined, on: Ints, who: Ints) -> Iterator[Finding]:
    t = wafer.terminals
    mine = np.flatnonzero((on >= 0) & (t.net >= 0) & ~t.asks & ~t.took)
    order = mine[np.lexsort((on[mine], who[mine]))]
    fresh = np.ones(len(order), dtype=bool)
    fresh[1:] = (who[order][1:] != who[order][:-1]) | (on[order][1:] != on[order][:-1])
    pieces = order[fresh]  # one terminal of each piece of each net
    _, start, count = np.unique(who[pieces], return_index=True, return_counts=True)
    broken = np.flatnonzero(count > 1)
    groups: dict[tuple[int, ...], list[int]] = {}
    broken_pieces = pieces[np.isin(who[pieces], who[pieces[start[broken]]])]
    looks = _looks(wafer, joined, on[broken_pieces], t.die[broken_pieces])
    for k in broken.tolist():
        some = on[pieces[start[k] : start[k] + count[k]]].tolist()
        alike_ = int(t.net[pieces[start[k]]]), int(count[k]), *(looks[net] for net in some)
        groups.setdefault(alike_, []).append(int(start[k]))
    for (net, number, *_), starts in list(groups.items())[:MOST]:
        a, b = int(pieces[starts[0]]), int(pieces[starts[0] + 1])
        level = wafer.stack.metals[int(_levels(wafer)[a])]
        hull = gap(joined, level, int(on[a]), int(on[b]), (t.at[a], t.at[b]))
        dies = t.die[pieces[starts]]
        note = f"net {t.nets[net]} is in {number} pieces{in_words(wafer, dies)}"
        yield repeated(wafer, Finding(NETS, polygon=hull, note=note), dies)
    rest = [int(pieces[k]) for starts in list(groups.values())[MOST:] for k in starts]
    yield from _more(wafer, rest, "times a net is in pieces")


def _looks(wafer: Wafer, joined: Joined, nets: Ints, dies: Ints) -> dict[int, int]:
    """A number for how each net looks, all of its pieces seen from a die: alike for nets that are drawn alike."""
    asked, first = np.unique(nets, return_index=True)
    origin = wafer.dies.boxes[dies[first], :2]
    total = np.zeros(len(asked), dtype=np.uint64)
    for level, (name, net) in enumerate(joined.net.items()):
        nodes, sheet = joined.nodes[name], joined.sheets[name]
        mine = np.flatnonzero(np.isin(net, asked))
        place = np.searchsorted(asked, net[mine])
        at = sheet.at[nodes.instance[mine]] - origin[place]
        mixed = np.full(len(mine), level, dtype=np.uint64)
        for column in (nodes.piece[mine], at[:, 0], at[:, 1]):
            mixed = (mixed ^ column.astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
            mixed ^= mixed >> np.uint64(29)
        np.add.at(total, place, mixed)
    return dict(zip(asked.tolist(), total.tolist(), strict=True))


def _shorts(wafer: Wafer, joined: Joined, on: Ints, who: Ints) -> Iterator[Finding]:
    t = wafer.terminals
    mine = np.flatnonzero(on >= 0)
    order = mine[np.lexsort((who[mine], on[mine]))]
    fresh = np.ones(len(order), dtype=bool)
    fresh[1:] = (who[order][1:] != who[order][:-1]) | (on[order][1:] != on[order][:-1])
    owners = order[fresh]  # one terminal of each owner of each net
    _, start, count = np.unique(on[owners], return_index=True, return_counts=True)
    groups: dict[tuple[object, ...], list[Ints]] = {}
    joint = owners[start[count > 1]]
    looks = _looks(wafer, joined, on[joint], t.die[joint])
    for k in np.flatnonzero(count > 1).tolist():
        some = owners[start[k] : start[k] + count[k]]
        dies = np.unique(t.die[some])
        steps = t.at[some] - t.at[some[0]]
        key = (tuple(t.name[some].tolist()), len(dies), steps.tobytes(), looks[int(on[some[0]])])
        groups.setdefault(key, []).append(some)
    for places in list(groups.values())[:MOST]:
        some = places[0]
        a, b = int(some[0]), int(some[1])
        ends = [(wafer.stack.metals[int(_levels(wafer)[k])], t.at[k]) for k in (a, b)]
        hull = way(joined, int(on[a]), ends[0], ends[1])
        dies = np.unique(t.die[some])
        named = sorted({t.nets[n] for n in t.net[some].tolist() if n >= 0})
        free = [t.names[n] for n in t.name[some[t.net[some] < 0]].tolist()]
        if len(dies) == 1:
            shown = ", ".join(named[:8]) + (", ..." if len(named) > 8 else "")
            what = f"nets {shown}" if len(named) > 1 else f"net {shown}" if named else ""
            note = " and ".join(filter(None, [what, ", ".join(free[:8])])) + " are one piece"
        else:
            one, other = (f"{t.title(k)} in die {wafer.dies.names[int(t.die[k])]}" for k in (a, b))
            note = f"{one} and {other} are one piece"
            if len(some) > 2:
                note += f", as are {len(some)} nets of {len(dies)} dies"
        firsts = np.array([p[0] for p in places])
        note += in_words(wafer, t.die[firsts]) if len(dies) == 1 else ""
        yield moved_to(Finding(NETS, polygon=hull, note=note), t.at[firsts] - t.at[a])
    rest = [int(some[0]) for places in list(groups.values())[MOST:] for some in places]
    yield from _more(wafer, rest, "times nets are one piece")


def _more(wafer: Wafer, places: Sequence[int], what: str) -> Iterator[Finding]:
    """One finding for those that no finding of their own shows, at a terminal of each."""
    if not places:
        return
    t, some = wafer.terminals, np.array(places)
    names = sorted({t.title(k) for k in places})
    more = f" and {len(names) - 5} others" if len(names) > 5 else ""
    note = f"{len(places)} more {what}, at {', '.join(names[:5])}{more}{in_words(wafer, t.die[some])}"
    yield moved_to(Finding(NETS, polygon=square(t.at[some[0]]), note=note), t.at[some] - t.at[some[0]])


def _unanswered(wafer: Wafer, on: Ints) -> Iterator[Finding]:
    """Pieces of a net that join another number of those who ask for a free one than of those who were taken."""
    t = wafer.terminals
    special = np.flatnonzero((t.asks | t.took) & (on >= 0) & (t.net >= 0))
    if not len(special):
        return
    rows, back = np.unique(np.column_stack([on[special], t.net[special]]), axis=0, return_inverse=True)
    asks, took = (
        np.bincount(back.reshape(-1), weights=flag[special], minlength=len(rows)) for flag in (t.asks, t.took)
    )
    wrong = np.isin(back.reshape(-1), np.flatnonzero(asks != took))
    _, first = np.unique(back.reshape(-1)[wrong], return_index=True)
    here = special[wrong][np.sort(first)]

    def note(k: int) -> str:
        row = int(back.reshape(-1)[np.searchsorted(special, k)])
        ask, take = int(asks[row]), int(took[row])
        return f"a piece of net {t.nets[int(t.net[k])]} joins {ask} that ask for a free one with {take} that were taken"

    yield from alike(wafer, here, note)


def _standing(wafer: Wafer, joined: Joined) -> Iterator[Finding]:
    """Terminals that lack one of their layers, and shapes of these that belong to no terminal."""
    t = wafer.terminals
    whole = bool(t.whole[t.level < 0].all()) and len(t.die) > 0
    for pad, levels in ((True, wafer.stack.pad), (False, wafer.stack.ball)):
        mine = np.flatnonzero((t.pad == pad) & t.whole & (t.level < 0))
        for level in wafer.stack.apart(levels) if len(t.die) else ():
            layer = level.split(": ", 1)[1]
            node = wafer.pieces.at(joined.sheets[level], t.cloud)[mine]
            yield from alike(wafer, mine[node < 0], lambda k, layer=layer: f"{t.title(k)} has no {layer}")  # type: ignore[misc]
            if whole:
                yield from _extra(wafer, joined, level, node, layer)


def _extra(wafer: Wafer, joined: Joined, level: str, used: Ints, layer: str) -> Iterator[Finding]:
    """Shapes of a level in dies, no piece of which a terminal stands on."""
    nodes, sheet = joined.nodes[level], joined.sheets[level]
    hit = np.zeros(len(nodes.piece), dtype=bool)
    hit[used[used >= 0]] = True
    u, v = wafer.known[sheet, sheet]
    while (new := hit[u] != hit[v]).any():  # what touches is one shape
        hit[u[new]] = hit[v[new]] = True
    left = np.flatnonzero(~hit)
    if not len(left):
        return
    boxes = wafer.pieces.boxes(sheet, nodes)[left]
    die = wafer.dies.of((boxes[:, :2] + boxes[:, 2:]) // 2)
    left, die = left[die >= 0], die[die >= 0]
    yield from pieces_found(wafer, sheet, nodes.instance[left], nodes.piece[left],
                             NETS, f"this {layer} belongs to no terminal")  # fmt: skip


def _loose_vias(wafer: Wafer, joined: Joined) -> Iterator[Finding]:
    """Openings between two metals that do not lie on both."""
    for via in wafer.stack.vias:
        nodes, sheet = joined.nodes[via.name], joined.sheets[via.name]
        for where, levels in (("lower", via.below), ("upper", via.above)):
            pairs = [(joined.sheets[n], sheet) if where == "lower" else (sheet, joined.sheets[n]) for n in levels]
            side = 1 if where == "lower" else 0
            found = np.concatenate([wafer.known[pair][side] for pair in pairs])
            left = np.setdiff1d(np.arange(len(nodes.piece)), found)
            yield from pieces_found(wafer, sheet, nodes.instance[left], nodes.piece[left],
                                     NETS, f"this via lies on no {where} metal")  # fmt: skip


# before the cut -------------------------------------------------------------------------------------------------


def _tied(wafer: Wafer, joined: Joined) -> Iterator[Finding]:
    """What is not of the one conductor that holds the contact ring, all buses and all nets of all dies."""
    t = wafer.terminals
    sheet, nodes, net = joined.sheets[METAL], joined.nodes[METAL], joined.net[METAL]
    on, _ = _on(wafer, joined)
    ring = np.unique(net[wafer.on(sheet, "ring")[nodes.instance]])
    if len(ring):
        trunk = int(ring[np.argmax([int((on == k).sum()) for k in ring.tolist()])])
    else:
        held = np.bincount(on[on >= 0], minlength=1)
        trunk = int(np.argmax(held)) if held.any() else NONE
        box = joined.pieces.boxes(sheet, nodes)
        if len(box):
            (x0, y0), (x1, y1) = box[:, :2].min(axis=0).tolist(), box[:, 2:].max(axis=0).tolist()
            hull = ((x0, y0), (x1, y0), (x1, y1), (x0, y1))
            yield Finding(TIED, polygon=hull, note="there is no contact ring")
    for role, note in (("ring", "this part of the contact ring is not joined to the rest"),
                       ("bus", "this bus does not reach the contact ring")):  # fmt: skip
        mine = np.flatnonzero(wafer.on(sheet, role)[nodes.instance] & (net != trunk))
        _, first = np.unique(net[mine], return_index=True)  # one of each conductor
        some = mine[np.sort(first)]
        yield from pieces_found(wafer, sheet, nodes.instance[some], nodes.piece[some], TIED, note)
    out = np.flatnonzero((on != trunk) & (t.net >= 0))
    yield from alike(wafer, out, lambda k: f"{t.title(k)} is not joined to the bus: not plated", TIED)


def _left_of_bus(wafer: Wafer, after: Joined) -> Iterator[Finding]:
    """What the blade leaves of a bus, and of ties without a net."""
    sheet, nodes, net = after.sheets[METAL], after.nodes[METAL], after.net[METAL]
    bus = np.flatnonzero(wafer.on(sheet, "bus")[nodes.instance])
    yield from pieces_found(wafer, sheet, nodes.instance[bus], nodes.piece[bus],
                             KERF, "the blade may leave this of a bus")  # fmt: skip
    if not len(wafer.terminals.die):
        return  # nobody knows which ties have a net
    held = np.unique(_on(wafer, after)[0])
    tie = np.flatnonzero(wafer.on(sheet, "tie")[nodes.instance] & ~np.isin(net, held))
    yield from pieces_found(wafer, sheet, nodes.instance[tie], nodes.piece[tie],
                             KERF, "the blade may leave this sliver of a tie")  # fmt: skip


def _in_kerf(wafer: Wafer, kerf: Sheet, but: Sequence[str]) -> Iterator[Finding]:
    """Metal in the kerf that does not play one of some roles; what stands on balls too, unless it is an opening."""
    layers, ball = wafer.pdk.layers, {level.split(": ", 1)[1]: level for level in wafer.stack.ball}
    above = [level for name, level in ball.items() if name not in layers or layers[name].drawn != "opening"]
    for level in (*wafer.stack.metals, *above):
        sheet = wafer.sheets[level]
        other = np.ones(len(sheet), dtype=bool)
        for role in but:
            other &= ~wafer.on(sheet, role)
        some = sheet.taken(other)
        found = np.unique(wafer.pieces.meetings(some, kerf, area=True)[0])
        nodes = wafer.pieces.nodes(some)
        yield from pieces_found(wafer, some, nodes.instance[found], nodes.piece[found],
                                 KERF, "this metal lies in the kerf")  # fmt: skip


def _grounds(wafer: Wafer, joined: Joined) -> Iterator[Finding]:
    """Terminals on a conductor of role `ground` whose net is not ground, or not the one that most of them are of."""
    t = wafer.terminals
    ground = [joined.net[name][wafer.on(joined.sheets[name], "ground")[joined.nodes[name].instance]]
              for name in wafer.stack.metals]  # fmt: skip
    on, _ = _on(wafer, joined)
    mine = np.flatnonzero(np.isin(on, np.concatenate(ground)) & (on >= 0) & (t.net >= 0))
    if len(mine):
        name = t.ground or t.nets[int(np.argmax(np.bincount(t.net[mine])))]
        other = mine[t.net[mine] != (t.nets.index(name) if name in t.nets else NONE)]
        yield from alike(wafer, other, lambda k: f"{t.title(k)} reaches the kerf, where only {name} may", KERF)
