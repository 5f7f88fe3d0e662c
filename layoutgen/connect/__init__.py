"""Nets from geometry: what the metal of a whole wafer joins, before the cut and after it."""
