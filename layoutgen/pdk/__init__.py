"""A process as data: layers, derived layers, stack, flows, rules and masks, read from one `pdk.toml`.

Passed as an argument, never global. A PDK may `extends` another and hold only its differences.
"""

from layoutgen.pdk.process import Pdk
from layoutgen.pdk.reader import read
from layoutgen.pdk.tables import Connect, Cut, Derived, Drill, Flow, LayerNumber, Mask, Opening, Rule

__all__ = ["Connect", "Cut", "Derived", "Drill", "Flow", "LayerNumber", "Mask", "Opening", "Pdk", "Rule", "read"]
