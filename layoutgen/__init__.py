"""Mask sets for wafer-level packaging, as code.

    import layoutgen as lg

    pdk = lg.load_pdk("post")
    via = lg.cells()["polymer.via"](pdk, diameter=40.0)

Names are imported when they are first used, so that `import layoutgen` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from layoutgen.api import (
        bending,
        build,
        cells,
        check,
        cross_section,
        load_pdk,
        open_areas,
        read_spec,
        route_chip,
        save,
        to_gdstk,
        to_klayout,
        write,
        write_section,
    )  # fmt: skip
    from layoutgen.cell import Drawing, Size, generator
    from layoutgen.current import plating, write_plating
    from layoutgen.die import stage
    from layoutgen.errors import LayoutgenError
    from layoutgen.pdk import Pdk
    from layoutgen.physics.plating import Bath
    from layoutgen.units import Um

_HOME = {
    **dict.fromkeys(
        (
            "bending",
            "build",
            "cells",
            "check",
            "cross_section",
            "load_pdk",
            "open_areas",
            "read_spec",
            "route_chip",
            "save",
            "to_gdstk",
            "to_klayout",
            "write",
            "write_section",
        ),
        "layoutgen.api",
    ),
    "Drawing": "layoutgen.cell",
    "Size": "layoutgen.cell",
    "generator": "layoutgen.cell",
    "stage": "layoutgen.die",
    "Bath": "layoutgen.physics.plating",
    "plating": "layoutgen.current",
    "write_plating": "layoutgen.current",
    "LayoutgenError": "layoutgen.errors",
    "Pdk": "layoutgen.pdk",
    "Um": "layoutgen.units",
}

__all__ = [
    "Bath",
    "Drawing",
    "LayoutgenError",
    "Pdk",
    "Size",
    "Um",
    "bending",
    "build",
    "cells",
    "check",
    "cross_section",
    "generator",
    "load_pdk",
    "open_areas",
    "plating",
    "read_spec",
    "route_chip",
    "save",
    "stage",
    "to_gdstk",
    "to_klayout",
    "write",
    "write_plating",
    "write_section",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'layoutgen' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return __all__
