"""Which windows of a layout are distinct, and what stands in them: how a whole wafer is looked at in a blink.

`source` takes a layout apart into items, `grid` lays windows over it, `signature` says which see the same, `view` picks
one of each, `frame` takes its picture, `sheet` puts the pictures side by side. What is found on a sheet holds wherever
equal windows stand. `components` says which pieces of different windows are of one polygon.
"""

from layoutgen.windows.frame import Gathered
from layoutgen.windows.sheet import InPlace, Near, Pictures, Sheet, lay_out
from layoutgen.windows.source import Source
from layoutgen.windows.view import View, Views

__all__ = ["Gathered", "InPlace", "Near", "Pictures", "Sheet", "Source", "View", "Views", "lay_out"]
