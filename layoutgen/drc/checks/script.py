"""Values as KLayout's DRC scripts write them."""

from __future__ import annotations

from layoutgen.drc.checks.kind import STEPS, Facing


def um(length: int) -> str:
    """A length in database units as the script's um: a number with a point, exact to the database unit."""
    sign, steps = "-" if length < 0 else "", STEPS["um"]
    whole, rest = divmod(abs(length), steps)
    return f"{sign}{whole}.{rest:0{len(str(steps)) - 1}d}"


def facing(options: Facing) -> str:
    """The arguments that each check of edges takes after its limit."""
    return f"{options.metric}, angle_limit({options.ignore_angle!r})"


def true(value: bool) -> str:
    return "true" if value else "false"


def number(value: float | None) -> str:
    """A finite number, exact to the last bit; `nil` for None."""
    return "nil" if value is None else repr(float(value))
