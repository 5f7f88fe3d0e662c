"""Models of what a structure will do, one a file: unit, formula, source and validity stand in its docstring.

Lengths are um, elastic moduli GPa, stresses MPa, forces mN: GPa x um2 = mN.
"""

from __future__ import annotations
