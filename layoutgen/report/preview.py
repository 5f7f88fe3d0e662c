"""PNG pictures of a layout file, rendered by KLayout."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import klayout.db as kdb
import klayout.lay as lay

from layoutgen.errors import OutputError
from layoutgen.units import Um

WIDTH, HEIGHT = 1400, 1400


@dataclass(frozen=True, slots=True)
class Picture:
    """A window (um) of a layout, and the file it is drawn into; `hide` names layers left out."""

    file: str
    box: tuple[Um, Um, Um, Um]
    hide: tuple[str, ...] = ()


def render(layout: Path, properties: Path, pictures: Iterable[Picture], folder: Path) -> None:
    """Draw pictures of a layout file with the colours of a .lyp file.

    Raises:
        OutputError: a picture could not be written.
    """
    view = lay.LayoutView()
    view.set_config("background-color", "#ffffff")
    view.set_config("grid-visible", "false")
    view.set_config("text-visible", "false")
    view.set_config("cell-box-visible", "false")
    view.load_layout(str(layout), False)
    view.load_layer_props(str(properties))
    view.max_hier()
    for picture in pictures:
        for node in view.each_layer():
            node.visible = node.name.split(" - ")[0] not in picture.hide
        x0, y0, x1, y1 = picture.box
        view.zoom_box(kdb.DBox(x0, y0, x1, y1))
        width, height = _size(x1 - x0, y1 - y0)
        path = folder / picture.file
        path.parent.mkdir(parents=True, exist_ok=True)
        view.save_image(str(path), width, height)
        if not path.is_file() or path.stat().st_size == 0:
            raise OutputError(f"{path}: no picture was written; free some space, or build with --no-previews")


def _size(width: Um, height: Um) -> tuple[int, int]:
    """Pixels of a picture: the longer side 1400."""
    longest = max(width, height)
    return max(200, round(WIDTH * width / longest)), max(200, round(HEIGHT * height / longest))
