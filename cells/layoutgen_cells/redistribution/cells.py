"""Cells of a redistribution process. They draw on roles, so that one cell serves every process that has them.

`metal` is the metal that pads stand on. A process with two metals has a role `metal_2` for the upper one, which balls
then stand on, and `via_2` for the openings in between.

Every cell stands with its centre at the origin; all lengths are um.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from layoutgen import geom
from layoutgen.cell import Distance, Drawing, Size, generator
from layoutgen.errors import UnknownNameError
from layoutgen.pdk import Pdk
from layoutgen.route import RouteProblem, Terminal, box, draw, route
from layoutgen.units import DBU, Um


@dataclass(frozen=True, kw_only=True)
class ChipPad:
    """The metal of one of the chip's own pads: a reference, on no mask."""

    width: Size = 60.0
    """Extent in x."""
    height: Size = 60.0
    """Extent in y."""
    bevel: Distance = 0.0
    """How much of each corner is cut at 45 degrees."""

    def __post_init__(self) -> None:
        _bevel_fits(min(self.width, self.height), self.bevel)


@generator("chip.pad", ChipPad)
def chip_pad(pdk: Pdk, p: ChipPad) -> Drawing:
    """Draws on role `pad`."""
    d = Drawing("chip_pad")
    d.polygon(pdk.role("pad"), geom.bevelled(p.width, p.height, p.bevel))
    d.pin("pad", pdk.role("pad"), (0.0, 0.0), p.width)
    return d


@dataclass(frozen=True, kw_only=True)
class PolymerOpening:
    """An opening in the first polymer over a pad or stud, through which metal reaches it."""

    size: Size
    """Width and height."""
    bevel: Distance = 0.0
    """How much of each corner is cut at 45 degrees."""

    def __post_init__(self) -> None:
        _bevel_fits(self.size, self.bevel)


@generator("polymer.opening", PolymerOpening)
def polymer_opening(pdk: Pdk, p: PolymerOpening) -> Drawing:
    """Draws on role `opening`."""
    d = Drawing("polymer_opening")
    d.polygon(pdk.role("opening"), geom.bevelled(p.size, p.size, p.bevel))
    return d


@dataclass(frozen=True, kw_only=True)
class RdlPad:
    """Where redistribution metal lands on a pad: a square over the polymer opening."""

    size: Size
    """Width and height."""
    bevel: Distance = 0.0
    """How much of each corner is cut at 45 degrees."""

    def __post_init__(self) -> None:
        _bevel_fits(self.size, self.bevel)


@generator("rdl.pad", RdlPad)
def rdl_pad(pdk: Pdk, p: RdlPad) -> Drawing:
    """Draws on role `metal`."""
    d = Drawing("rdl_pad")
    d.polygon(pdk.role("metal"), geom.bevelled(p.size, p.size, p.bevel))
    d.pin("metal", pdk.role("metal"), (0.0, 0.0), p.size)
    return d


@dataclass(frozen=True, kw_only=True)
class RdlCapture:
    """The round pad at the end of a wire that a via, and what stands on it, lands on."""

    diameter: Size | None = None
    """None: the least that the rules on via and under-bump metal ask for."""


@generator("rdl.capture", RdlCapture)
def rdl_capture(pdk: Pdk, p: RdlCapture) -> Drawing:
    """Draws on the uppermost metal: role `metal`, or `metal_2` where the process has it."""
    d = Drawing("rdl_capture")
    diameter = p.diameter if p.diameter is not None else least_capture(pdk)
    metal = pdk.role(top_metal(pdk))
    d.circle(metal, diameter)
    d.pin("metal", metal, (0.0, 0.0), diameter)
    return d


def top_metal(pdk: Pdk) -> str:
    """The role of the metal that balls stand on."""
    return "metal_2" if "metal_2" in pdk.roles else "metal"


def least_capture(pdk: Pdk) -> Um:
    """Least diameter of a capture pad: what stands on it, and the metal that the rules ask for around that (um).

    Raises:
        UnknownNameError: the PDK has no via, or no rule on metal around it.
    """
    standing = {"via": polymer_via.parameters(pdk).diameter}
    standing["via_foot"] = standing["via"]
    if "ubm" in pdk.roles:
        standing["ubm"] = least_ubm(pdk)
    top = top_metal(pdk)
    found = [_around(pdk, of, d, top) for of, d in standing.items() if _has_enclosure(pdk, of, top)]
    if not found:
        raise UnknownNameError(f"rule in PDK {pdk.name!r} for the", "enclosure of a via by metal", ())
    return max(found)


def least_ubm(pdk: Pdk) -> Um:
    """Least diameter of under-bump metal: its own least width, and what the rules ask for around the via (um)."""
    return max(
        pdk.limit("width", pdk.role("ubm")), _around(pdk, "via", polymer_via.parameters(pdk).diameter, "ubm")
    )  # fmt: skip


def _around(pdk: Pdk, inner: str, diameter: Um, outer: str) -> Um:
    """Diameter of what encloses a circle of role `inner`, with the guard for facets and snapping."""
    return diameter + 2 * (pdk.growth(pdk.role(inner)) + pdk.enclosure(of=inner, by=outer) + pdk.guard)


def _has_enclosure(pdk: Pdk, inner: str, outer: str) -> bool:
    if inner not in pdk.roles:
        return False
    try:
        pdk.enclosure(of=inner, by=outer)
    except UnknownNameError:
        return False
    return True


@dataclass(frozen=True, kw_only=True)
class RdlVia:
    """A round via from the first redistribution metal to the second, with its landing on each of them."""

    diameter: Size | None = None
    """Diameter of the opening. None: the least that the rule on its width asks for."""
    landing: Size | None = None
    """Diameter on both metals. None: the least that the rules on metal around the opening ask for."""


@generator("rdl.via", RdlVia)
def rdl_via(pdk: Pdk, p: RdlVia) -> Drawing:
    """Draws on roles `via_2`, `metal` and `metal_2`."""
    d = Drawing("rdl_via")
    opening = pdk.role("via_2")
    diameter = p.diameter if p.diameter is not None else pdk.limit("width", opening)
    least = max(_around(pdk, "via_2", diameter, by) for by in ("metal", "metal_2"))
    landing = p.landing if p.landing is not None else least
    d.circle(opening, diameter)
    for name in ("metal", "metal_2"):
        d.circle(pdk.role(name), landing)
        d.pin(name, pdk.role(name), (0.0, 0.0), landing)
    return d


@dataclass(frozen=True, kw_only=True)
class RdlWire:
    """A straight wire from a landing pad at the origin to a capture pad `length` away, teardrops at both ends."""

    width: Size
    """Width of the wire."""
    space: Size
    """Space that a routed wire keeps to other nets; here it bounds the teardrops."""
    length: Size
    """From centre to centre."""


@generator("rdl.wire", RdlWire)
def rdl_wire(pdk: Pdk, p: RdlWire) -> Drawing:
    """Draws on role `metal`; the same router and teardrops as a whole chip's. With two metals it ends on a via."""
    d = Drawing("rdl_wire")
    pad, capture = rdl_pad(pdk), rdl_capture(pdk)
    d.place(pad)
    d.place(capture, (p.length, 0.0))
    end = capture
    if top_metal(pdk) != "metal":
        end = rdl_via(pdk)
        d.place(end, (p.length, 0.0))
    metal = pdk.role("metal")
    far = p.length + 2 * least_capture(pdk)
    ends = (terminal("pad", "net", pad, (0.0, 0.0), pdk), terminal("ball", "net", end, (p.length, 0.0), pdk))
    problem = RouteProblem(box(-far, -far, far, far), ends, (), p.width, p.space, 0.0, guard=pdk.guard)
    for net in draw(problem, route(problem)).values():
        for points in net.metal:
            d.polygon(metal, points * DBU)
    d.pin("pad", metal, (0.0, 0.0), p.width, 180.0)
    d.pin("ball", metal, (p.length, 0.0), p.width, 0.0)
    return d


def terminal(name: str, net: str, drawing: Drawing, at: tuple[Um, Um], pdk: Pdk, layer: int = 0) -> Terminal:
    """What the router must know of a landing's metal: the disc that its corners lie on, its box or its polygon."""
    metal = pdk.role(("metal", "metal_2")[layer])
    circles = drawing.circles.get(metal, [])
    if circles:
        corner = corner_radius(circles[0].diameter, pdk)
        return Terminal(name, net, at[0], at[1], corner, corner, True, layer=layer)
    points = drawing.polygons[metal][0]
    half_x, half_y = (float(v) for v in abs(points).max(axis=0))
    ring = tuple((at[0] + float(x), at[1] + float(y)) for x, y in points) if len(points) > 4 else ()
    return Terminal(name, net, at[0], at[1], half_x, half_y, False, polygon=ring, layer=layer)


def corner_radius(diameter: Um, pdk: Pdk) -> Um:
    """The radius that the corners of a circle lie on as it is drawn (um)."""
    first = geom.circle(diameter + pdk.guard, pdk.circle_points)[0]
    return float((first[0] ** 2 + first[1] ** 2) ** 0.5)


@dataclass(frozen=True, kw_only=True)
class PolymerVia:
    """A via through the upper polymer over a capture pad; a post or under-bump metal grows in it."""

    diameter: Size
    """Diameter, or the side of a square, at the polymer's top."""
    shape: Literal["round", "square"] = "round"
    """Outline."""


@generator("polymer.via", PolymerVia)
def polymer_via(pdk: Pdk, p: PolymerVia) -> Drawing:
    """Draws on role `via`."""
    d = Drawing("polymer_via")
    _round_or_square(d, pdk.role("via"), p.diameter, p.shape)
    d.pin("via", pdk.role("via"), (0.0, 0.0), p.diameter)
    return d


@dataclass(frozen=True, kw_only=True)
class Ubm:
    """Under-bump metal over a via."""

    diameter: Size | None = None
    """None: the least that the rules on its width and on the via below ask for."""


@generator("ubm", Ubm)
def ubm(pdk: Pdk, p: Ubm) -> Drawing:
    """Draws on role `ubm`."""
    d = Drawing("ubm")
    diameter = p.diameter if p.diameter is not None else least_ubm(pdk)
    d.circle(pdk.role("ubm"), diameter)
    d.pin("ubm", pdk.role("ubm"), (0.0, 0.0), diameter)
    return d


@dataclass(frozen=True, kw_only=True)
class Ball:
    """A solder ball as it stands after reflow."""

    diameter: Size
    """Largest diameter."""


@generator("ball", Ball)
def ball(pdk: Pdk, p: Ball) -> Drawing:
    """Draws on role `ball`."""
    d = Drawing("ball")
    d.circle(pdk.role("ball"), p.diameter)
    d.pin("ball", pdk.role("ball"), (0.0, 0.0), p.diameter)
    return d


def _round_or_square(d: Drawing, layer: str, size: Um, shape: str) -> None:
    if shape == "round":
        d.circle(layer, size)
    else:
        d.polygon(layer, geom.box(size, size))


def _bevel_fits(size: Um, bevel: Um) -> None:
    if 2 * bevel >= size:
        raise ValueError(f"bevel={bevel:g} um must be less than half of size={size:g} um")
