"""A component of two units whose tracks cross on the frame itself: a spec of flow `framed`."""

from __future__ import annotations

from pathlib import Path

PADS = "pad,net,x,y\nIN,in,250,400\nOUT,out,650,400\n"
BALLS = "ball,net,x,y\nA1,in,120,470\nA2,out,780,470\n"
SPEC = """
name = "framed"
pdk = "hermetic"
flow = "framed"
chip = { name = "Framed", size = [900, 640], pads = "pads.csv", balls = "balls.csv", pad_size = [20, 20] }
wafer = { diameter = DIAMETER }
[cells]
"frame" = { wall = 60, columns = 2 }
"saw.resonator" = { pairs = 10, reflectors = 0, wavelength = 4.0 }
"mark.key" = { size = 80.0, arm = 20.0, gap = 10.0 }
"mark.target" = { size = 80.0, arm = 20.0 }
"""
PLACED = (
    ("saw.resonator", (250, 300), {"lower": "x", "upper": "in"}),
    ("saw.resonator", (650, 300), {"lower": "x", "upper": "out"}),
    ("via_frame_wafer", (250, 595), {"chip": "in", "wiring": "in"}),
    ("via_frame_wafer", (650, 595), {"chip": "out", "wiring": "out"}),
)
TRACKS = {
    ("metal", "in"): [(250, 595), (250, 325)],
    ("metal", "out"): [(650, 595), (650, 325)],
    ("metal", "x"): [(250, 270), (250, 240), (650, 240), (650, 270)],  # on the chip, below the wall between the units
    ("wiring", "in"): [(120, 470), (35, 470), (35, 595), (450, 595), (450, 40)],  # on that wall
    ("wiring", "out"): [(780, 470), (865, 470), (865, 595), (650, 595)],
}


def spec(folder: Path, *, diameter: int = 16_000) -> Path:
    """Its file with its tables, in a folder."""
    (folder / "pads.csv").write_text(PADS, "utf-8")
    (folder / "balls.csv").write_text(BALLS, "utf-8")
    text = SPEC.replace("DIAMETER", str(diameter))
    for cell, at, nets in PLACED:
        named = ", ".join(f'{pin} = "{net}"' for pin, net in nets.items())
        text += f'[[place]]\ncell = "{cell}"\nat = {list(at)}\nnets = {{ {named} }}\n'
    for (on, net), points in TRACKS.items():
        text += f'[[track]]\non = "{on}"\nwidth = 10\nnet = "{net}"\npoints = {[list(p) for p in points]}\n'
    (folder / "framed.toml").write_text(text, "utf-8")
    return folder / "framed.toml"
