"""A cell with other parameters, placed twice, written and checked: the same by script.

Run it with: python examples/script.py [FOLDER]
"""

import sys
from pathlib import Path

import layoutgen as lg

pdk = lg.load_pdk("post")
wire = lg.cells()["rdl.wire"](pdk, width=40.0, length=800.0)

drawing = lg.Drawing("two_wires")
drawing.place(wire)
drawing.place(wire, (0.0, 150.0))

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "output")
lg.save(drawing, pdk, folder / "two_wires.gds")
report = lg.check(drawing, pdk)
print(f"wrote {folder / 'two_wires.gds'}; {report.summary}")
sys.exit(report.exit_code)
