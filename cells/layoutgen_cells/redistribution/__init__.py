"""Polymer openings, redistribution and what stands on it: vias, under-bump metal, balls."""
