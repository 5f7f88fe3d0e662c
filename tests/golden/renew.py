"""One readable text for each cell in each process that draws it with its defaults: what `tests/test_cells.py` compares.

    python tests/golden/renew.py            # after a change that was meant: then read the difference, line by line

Each layer with shapes says how many polygons lie on it, the area they cover together (um2, placed cells included), its
bounding box and the integer corners (1 = 0.001 um) of each polygon. A circle says its centre, diameter (um) and number
of corners. A polygon of more than 64 corners says how many, its own area and bounding box, and every 16th corner.
Tests never write goldens, so that a missing one fails.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import klayout.db as kdb

from layoutgen import discover, gds
from layoutgen.cell import Drawing
from layoutgen.errors import ParamError, UnknownNameError
from layoutgen.pdk import Pdk
from layoutgen.units import IntPoints, to_dbu

FOLDER = Path(__file__).resolve().parent
LONG = 64
os.environ.pop("LAYOUTGEN_PDK_PATH", None)  # the processes that ship, not those of whoever runs this


def drawable() -> Iterator[tuple[str, str]]:
    """PDK and cell of all that can be drawn without a parameter; what fails in any other way is not passed over."""
    library = discover.cells()
    for pdk_name in discover.pdk_names():
        pdk = discover.pdk(pdk_name)
        for name in library:
            try:
                library[name](pdk)
            except UnknownNameError as e:  # no such role or rule in this process
                if not str(e).startswith(("no role", "no enclosure rule", "no width rule")):
                    raise
                continue
            except ParamError as e:  # this process has no parameters for it
                if not all("is missing; give it" in line for line in str(e).splitlines()):
                    raise
                continue
            yield pdk_name, name


def path(pdk: str, cell: str) -> Path:
    """Where the golden of a cell stands."""
    return FOLDER / pdk / f"{cell}.txt"


def text(pdk_name: str, cell: str) -> str:
    """The golden of a cell as it is drawn now."""
    pdk = discover.pdk(pdk_name)
    return "\n".join(_lines(discover.cells()[cell](pdk), pdk)) + "\n"


def _lines(drawing: Drawing, pdk: Pdk) -> Iterator[str]:
    yield f"cell {drawing.name}"
    layout = gds.to_layout(drawing, pdk)
    top = layout.cell(drawing.name)
    layers = [name for name in pdk.drawn_layers if name in {*drawing.polygons, *drawing.circles}]
    for layer in layers:
        own = [to_dbu(points) for points in drawing.polygons.get(layer, [])]
        circles = drawing.circles.get(layer, [])
        region = kdb.Region(top.begin_shapes_rec(layout.layer(gds.layer_info(pdk, layer)))).merged()
        yield f"layer {layer}: {len(own) + len(circles)} polygons, {_area(region.area())}, {_box(region.bbox())}"
        for points in own:
            yield from _polygon(points)
        for c in circles:
            (x, y), drawn = to_dbu(c.at).tolist(), c.diameter + pdk.guard
            yield f"  circle at ({x},{y}) diameter {c.diameter:.10g} drawn {drawn:.10g} corners {pdk.circle_points}"
    for layer, texts in drawing.texts.items():
        for t in texts:
            x, y = to_dbu(t.at).tolist()
            yield f"text {layer}: {t.text!r} at ({x},{y})"
    for p in drawing.placements:
        (x, y), (dx, dy) = to_dbu(p.at).tolist(), to_dbu(p.step).tolist()
        array = f", {p.columns} x {p.rows} step ({dx},{dy})" if p.columns * p.rows > 1 else ""
        yield f"place {p.drawing.name} at ({x},{y}) angle {p.angle:g}{array}"
    for pin in drawing.pins:
        x, y = to_dbu(pin.at).tolist()
        yield f"pin {pin.name} on {pin.layer} at ({x},{y}) width {pin.width:.10g} angle {pin.angle:g}"
    for probe in drawing.probes:
        x, y = to_dbu(probe.at).tolist()
        yield f"probe of {probe.pin} on {probe.layer} at ({x},{y})"
    for v in drawing.values:
        asked = "" if v.asked is None else f", asked {v.asked:.6g}"
        yield f"value {v.name} {v.drawn:.6g} {v.unit}{asked}, by {v.formula}"


def _polygon(points: IntPoints) -> Iterator[str]:
    corners = [f"({x},{y})" for x, y in points.tolist()]
    if len(corners) > LONG:
        shape = gds.polygon(points)
        yield f"  {len(corners)} corners, {_area(shape.area())}, {_box(shape.bbox())}, every 16th:"
        corners = corners[::16]
    yield "  " + " ".join(corners)


def _area(square_units: int) -> str:
    whole, rest = divmod(square_units, 10**6)
    return f"area {whole}.{rest:06d} um2"


def _box(box: kdb.Box) -> str:
    return f"bbox ({box.left},{box.bottom};{box.right},{box.top})"


def main() -> None:
    """Write every golden anew, and remove those of cells that are gone."""
    wanted = {path(*which): text(*which) for which in drawable()}
    for file in FOLDER.glob("*/*.txt"):
        if file not in wanted:
            file.unlink()
            print(f"removed {file.relative_to(FOLDER)}")
    for file, content in wanted.items():
        if not file.is_file() or file.read_text("utf-8") != content:
            file.parent.mkdir(exist_ok=True)
            file.write_text(content, "utf-8")
            print(f"wrote {file.relative_to(FOLDER)}")


if __name__ == "__main__":
    main()
