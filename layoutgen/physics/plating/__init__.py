"""The plating network: resistance from the contact ring to every post, and what the bath makes of it."""

from layoutgen.physics.plating.bath import Bath
from layoutgen.physics.plating.die import DieMetal, PlatingError
from layoutgen.physics.plating.kerf import Line, lines
from layoutgen.physics.plating.wafer import Load, Network, Potentials, WaferMetal

__all__ = ["Bath", "DieMetal", "Line", "Load", "Network", "PlatingError", "Potentials", "WaferMetal", "lines"]
