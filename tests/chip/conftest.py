"""Chips of every kind, drawn at random, and a small design as DEF and LEF, typed for these tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import strategies as st

from layoutgen.chip import Ball, Chip, Pad, Ring
from layoutgen.chip.shapes import box, moved, placed, ring

Chips: TypeAlias = Callable[..., st.SearchStrategy[Chip]]
SLOT = 100.0  # um: one pad, ball or keep-out stands in each slot of a board of 6 x 6

# what a table can hold: printable text without space around it, '#', quotes, commas and formulas included
names = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), min_size=1, max_size=12).map(
    str.strip
).filter(lambda s: s and s.isprintable() and s[0] != "*") | st.sampled_from(
    ("#1", '"', "a,b", "=A1", "# note", "''", "VDD<3>", "pad", "PIN", "a b", "u1/PAD", "%41", "\\", "io[3]", ";", "+")
)


@st.composite
def shapes(draw: st.DrawFn, even: bool) -> tuple[float, float, Ring]:
    """Width, height and corners of a rectangle, an octagon, or an L about its own centre."""
    size = (
        st.integers(5, 25_000).map(lambda n: 2 * n / 1000) if even else st.integers(10, 50_000).map(lambda n: n / 1000)
    )
    w, h = draw(size), draw(size)
    kind = draw(st.sampled_from("rol"))
    if kind == "r":
        return w, h, ()
    cut = round(min(w, h) / 4, 3)
    if kind == "o":
        x, y = w / 2, h / 2
        corners = [(cut - x, -y), (x - cut, -y), (x, cut - y), (x, y - cut)]
        return placed(ring([*corners, *((-a, -b) for a, b in corners)]))[2:]
    return placed(ring([(0, 0), (w, 0), (w, cut), (cut, cut), (cut, h), (0, h)]))[2:]


@st.composite
def drawn_chips(draw: st.DrawFn, even: bool = False) -> Chip:
    """A chip whose shapes do not touch: pads, balls with and without a size, groups, keep-outs, any outline."""
    slots = draw(st.lists(st.integers(0, 35), unique=True, max_size=8))
    own = draw(st.lists(names, min_size=len(slots), max_size=len(slots), unique=True))
    pads, balls, keepouts = [], [], []
    for slot, name in zip(slots, own, strict=True):
        x, y = (SLOT * (k + 0.5) + draw(st.integers(-9999, 9999)) / 1000 for k in divmod(slot, 6))
        x, y = round(x, 3), round(y, 3)
        w, h, polygon = draw(shapes(even))
        net = draw(names)
        group = draw(st.sampled_from(("", "", "G", "a b")))
        if draw(st.integers(0, 3)) == 0:
            net, group = "", draw(names | st.just("*"))
        match draw(st.sampled_from("pbsk")):
            case "p":
                pads.append(Pad(name, net, x, y, w, h, group=group, polygon=polygon))
            case "b":
                balls.append(Ball(name, net, x, y, width=w, height=h, group=group, polygon=polygon))
            case "s":
                balls.append(Ball(name, net, x, y, group=group))
            case _:
                keepouts.append(moved(polygon or box(-w / 2, -h / 2, w / 2, h / 2), x, y))
    outline = draw(st.sampled_from(((), ring([(0, 0), (590.0, 0), (600.0, 10.005), (600.0, 600.0), (0, 600.0)]))))
    return Chip("a chip", 600.0, 600.0, tuple(pads), tuple(balls), outline, tuple(keepouts))


TECH = """\
VERSION 5.8 ;
UNITS
  DATABASE MICRONS 2000 ;
END UNITS
PROPERTYDEFINITIONS
  LAYER LEF58_TYPE STRING ;
END PROPERTYDEFINITIONS
LAYER M1
  TYPE ROUTING ;
  DIRECTION VERTICAL ;
  WIDTH 1 ;
  SPACING 1 ;
END M1
LAYER V1
  TYPE CUT ;
END V1
LAYER TOP   # the redistribution
  TYPE ROUTING ;
  DIRECTION HORIZONTAL ;
  PITCH 5 6 ;
  WIDTH 2 ;
  SPACINGTABLE PARALLELRUNLENGTH 0 10 WIDTH 0 2.5 3 WIDTH 20 4 5 ;
  PROPERTY LEF58_TYPE "TYPE
     ROUTING ;" ;
END TOP
VIA V1_1 DEFAULT
  LAYER M1 ;
    RECT -1 -1 1 1 ;
END V1_1
SITE io
  CLASS PAD ;
  SIZE 1 BY 20 ;
END io
END LIBRARY
"""
CELLS = """\
VERSION 5.8 ;
MACRO BUMP
  CLASS COVER BUMP ;
  ORIGIN 10 10 ;
  SIZE 20 BY 20 ;
  PIN B
    DIRECTION INOUT ;
    PORT
      LAYER TOP ;
        POLYGON -4 -10 4 -10 10 -4 10 4 4 10 -4 10 -10 4 -10 -4 ;
    END
  END B
END BUMP
MACRO IO
  CLASS PAD AREAIO ;
  SIZE 30 BY 20 ;
  PIN P
    PORT
      CLASS BUMP ;
      LAYER TOP ;
        RECT 2 4 8 8 ;
        RECT 8 4 12 6 ;
      LAYER M1 ;
        RECT 0 0 1 1 ;
    END
    PORT
      LAYER TOP ;
        RECT 24 14 26 16 ;
    END
  END P
  PIN VDD
    PORT
      LAYER M1 ;
        RECT 0 0 1 1 ;
    END
  END VDD
  OBS
    LAYER TOP ;
      RECT 27 1 29 3 ;
    LAYER M1 ;
      RECT 0 0 30 20 ;
  END
END IO
MACRO SUPPLY
  CLASS PAD ;
  SIZE 10 BY 10 ;
  PIN VDD
    PORT
      LAYER TOP ;
        RECT 3 3 7 7 ;
    END
  END VDD
END SUPPLY
END LIBRARY
"""
DESIGN = """\
VERSION 5.8 ;
DIVIDERCHAR "/" ;
BUSBITCHARS "[]" ;
DESIGN small ;
UNITS DISTANCE MICRONS 2000 ;
DIEAREA ( -200000 -100000 ) ( 200000 300000 ) ;
ROW R0 io 0 0 N DO 10 BY 1 STEP 2000 0 ;
COMPONENTS 8 ;
- b1 BUMP + FIXED ( -100000 0 ) N ;
- b2 BUMP + PLACED ( 0 0 ) FW ;
- b3 BUMP + PLACED ( 100000 0 ) S ;
- b4 BUMP + PLACED ( 100000 100000 ) N ;
- io\\[1\\] IO + SOURCE DIST + FIXED ( -100000 200000 ) W ;
- io2 IO + FIXED ( 0 200000 ) FS ;
- s1 SUPPLY + FIXED ( -180000 100000 ) N ;
- s2 SUPPLY + FIXED ( 180000 100000 ) N ;
- spare IO ;
END COMPONENTS
PINS 2 ;
- a + NET a + DIRECTION INOUT
  + PORT
    + LAYER TOP ( -4000 -4000 ) ( 4000 4000 )
    + FIXED ( -80000 20000 ) N ;
- probe + NET c + DIRECTION INOUT + LAYER TOP ( -2000 -1000 ) ( 2000 1000 ) + PLACED ( 40000 -60000 ) W ;
END PINS
BLOCKAGES 2 ;
- LAYER TOP RECT ( -200000 -100000 ) ( -180000 -80000 ) POLYGON ( 0 -100000 ) ( 20000 -100000 ) ( 0 -90000 ) ;
- PLACEMENT RECT ( 0 0 ) ( 1 1 ) ;
END BLOCKAGES
SPECIALNETS 1 ;
- VDD ( * VDD ) + USE POWER ;
END SPECIALNETS
NETS 4 ;
- a ( PIN a ) ( b1 B ) ( io\\[1\\] P ) + USE SIGNAL ;
- c ( PIN probe ) ( io2 P + SYNTHESIZED ) ;
- VDD ( b2 B ) ( b3 B ) ;
- lonely ( b4 B ) ;
END NETS
END DESIGN
"""


@dataclass(frozen=True)
class Files:
    """The small design's files, in a folder of their own."""

    path: Path
    tech: Path
    cells: Path
    design_text = DESIGN
    tech_text = TECH
    cells_text = CELLS

    @property
    def lefs(self) -> list[Path]:
        return [self.tech, self.cells]


@pytest.fixture
def small(tmp_path: Path) -> Files:
    """The small design's files: a chip of two I/O cells, two supply pads, and four bumps, one of them spare."""
    files = Files(tmp_path / "small.def", tmp_path / "tech.lef", tmp_path / "cells.lef")
    for file, text in ((files.path, DESIGN), (files.tech, TECH), (files.cells, CELLS)):
        file.write_text(text, "utf-8")
    return files


@pytest.fixture(scope="session")
def chips() -> Chips:
    """Strategies for chips of every kind."""
    return drawn_chips
