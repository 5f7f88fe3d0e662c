"""The chip that comes in: outline, pads, balls and the nets that join them, from tables, DEF with LEF, or a layout."""

from layoutgen.chip.array import array_chip
from layoutgen.chip.def_chip import read_def
from layoutgen.chip.def_writer import Second, add_routes, write_def, write_lef
from layoutgen.chip.layout import LayoutLayers, read_gds, write_gds
from layoutgen.chip.lef import read_lef
from layoutgen.chip.load import load
from layoutgen.chip.model import Ball, Chip, Group, Pad, RoutedLayer, check
from layoutgen.chip.shapes import Ring
from layoutgen.chip.tables import read_tables, write_shapes, write_tables

__all__ = [
    "Ball",
    "Chip",
    "Group",
    "LayoutLayers",
    "Pad",
    "Ring",
    "RoutedLayer",
    "Second",
    "add_routes",
    "array_chip",
    "check",
    "load",
    "read_def",
    "read_gds",
    "read_lef",
    "read_tables",
    "write_def",
    "write_gds",
    "write_lef",
    "write_shapes",
    "write_tables",
]
