"""The plating network: resistance from the contact ring to every post, and what the bath makes of it."""

from layoutgen.physics.plating.bath import Bath
from layoutgen.physics.plating.die import DieMetal, PlatingError
from layoutgen.physics.plating.kerf import Line, lines
from layoutgen.physics.plating.result import Plating, Post, WhatIf, analyse, what_if_csv
from layoutgen.physics.plating.wafer import Load, Network, Potentials, WaferMetal

__all__ = [
    "Bath", "DieMetal", "Line", "Load", "Network", "Plating", "PlatingError", "Post", "Potentials", "WaferMetal",
    "WhatIf", "analyse", "lines", "what_if_csv",
]  # fmt: skip
