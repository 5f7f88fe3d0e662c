"""Caps on the wafer: frames, vias through the cover, passives of the wiring level, and what stands in the cavity."""
