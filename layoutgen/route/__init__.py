"""Redistribution routing: pads to balls, and ties to the outline, on one layer at any angle.

    problem = RouteProblem(outline, terminals, obstacles, width, space, edge, ties, guard)
    plan = route(problem)           # legal wires, and what stayed unrouted with the reason
    metal = draw(problem, plan)     # integer polygons per net

One file per stage: `tiles` (where there is room), `topology`, `search` and `eject` (which way wires go), `ties` (where
they leave the die), `rubber` (their shortest shapes), `legal` (what breaks a rule), `wires` (metal).
"""

from layoutgen.route.problem import Obstacle, RoutePlan, RouteProblem, Terminal, Unrouted, Wire
from layoutgen.route.router import route
from layoutgen.route.wires import NetMetal, draw

__all__ = ["NetMetal", "Obstacle", "RoutePlan", "RouteProblem", "Terminal", "Unrouted", "Wire", "draw", "route"]
