"""The chip that comes in: outline, pads, balls and the nets that join them."""

from layoutgen.chip.array import array_chip
from layoutgen.chip.model import Ball, Chip, Pad, check
from layoutgen.chip.tables import read_tables, write_tables

__all__ = ["Ball", "Chip", "Pad", "array_chip", "check", "read_tables", "write_tables"]
