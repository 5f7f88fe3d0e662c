"""A stress-relief layer over the passivation: openings over pads, and patterns of openings that mold compound fills."""
