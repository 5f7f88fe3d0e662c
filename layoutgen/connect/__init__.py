"""Nets from geometry: what the drawn metal joins, against what the chip asks for."""

from layoutgen.connect.nets import NETS_RULE, NETS_TEXT, TIED_RULE, TIED_TEXT, Upper, check_nets, check_tied

__all__ = ["NETS_RULE", "NETS_TEXT", "TIED_RULE", "TIED_TEXT", "Upper", "check_nets", "check_tied"]
