"""Caps on the wafer: frames, branches and islands, vias through cover and intermediate layer, contacts, streets."""
