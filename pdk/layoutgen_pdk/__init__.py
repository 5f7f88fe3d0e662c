"""Processes that ship with layoutgen: a folder each, found by name."""
