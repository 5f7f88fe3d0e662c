"""Redistribution routing: pads to balls, and ties to the outline, on one layer at any angle.

    problem = RouteProblem(box(0, 0, 3588, 5188), terminals, obstacles, width=30, space=20, edge=15)
    plan = route(problem)           # legal wires, and what stayed unrouted with the reason
    metal = draw(problem, plan)     # integer polygons per net
    plan, metals = route_and_draw(problem)  # both, and wires whose metal KLayout finds to break a rule are given up

One file per stage: `tiles` (where there is room), `topology`, `search` and `eject` (which way wires go), `ties` (where
they leave the die), `rubber` (their shortest shapes), `legal` (what breaks a rule), `wires` (metal, with `drops` and
`fill`), `proof` (the last word on it).
"""

from layoutgen.route.metal import NetMetal
from layoutgen.route.options import RouteOptions, Ties
from layoutgen.route.plan import route
from layoutgen.route.problem import (
    Bottleneck,
    Matched,
    Missed,
    NetRule,
    Obstacle,
    RoutePlan,
    RouteProblem,
    Style,
    Terminal,
    Unrouted,
    Via,
    WideSpace,
    Wire,
    box,
)
from layoutgen.route.proof import route_and_draw
from layoutgen.route.wires import draw

__all__ = [
    "Bottleneck",
    "Matched",
    "Missed",
    "NetMetal",
    "NetRule",
    "Obstacle",
    "RouteOptions",
    "RoutePlan",
    "RouteProblem",
    "Style",
    "Terminal",
    "Ties",
    "Unrouted",
    "Via",
    "WideSpace",
    "Wire",
    "box",
    "draw",
    "route",
    "route_and_draw",
]
