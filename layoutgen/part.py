"""What a layout file seems to be that is only a part of a build: the data of one mask, or one die."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from layoutgen.pdk import LayerNumber, Pdk


def one_mask(path: Path, pdk: Pdk, drawn: Collection[LayerNumber]) -> tuple[str, bool]:
    """That a file seems to be the data of one mask, with the mend, or nothing; and whether rules say nothing of it.

    drawn: the layers of the file on which something is. Where the process draws on a mask's number, too, the file must
    be named as a build names that of the mask. Rules hold for data that is one layer of the process as it is drawn.
    """
    if len(drawn) != 1:
        return "", False
    (number,) = drawn
    known = {layer.gds for layer in pdk.drawn_layers.values()}
    for name, mask in pdk.masks.items():
        if mask.gds == number and (number not in known or _stem(path).endswith(f"_{name}")):
            alone = f"holds layer {number[0]}/{number[1]} alone, as the data of mask {name!r} does"
            same = mask.data in pdk.drawn_layers and pdk.drawn_layers[mask.data].gds == number
            return f"{alone}: check {_wafer(path, name)} instead", not same
    return "", False


def one_die(path: Path, pdk: Pdk, empty: Collection[str]) -> str:
    """That a file seems to be a die alone, with the mend; or nothing. empty: reserved layers without anything."""
    around = {name for name in pdk.reserved if name not in ("die", "wafer")}
    if pdk.cut is None or "die" not in pdk.reserved or "die" in empty or around - {*empty}:
        return ""
    return f"Dies are outlined without a street or kerf, as in a die's own file: check {_wafer(path, 'die')} instead"


def _wafer(path: Path, part: str) -> str:
    """The file of the whole wafer that a part belongs to, as builds name it."""
    name = _stem(path).removesuffix(f"_{part}")
    return f"{name}_wafer.oas" if name != _stem(path) else "the wafer's file (NAME_wafer.oas)"


def _stem(path: Path) -> str:
    """A file's name without .gds, .oas or .gds.gz."""
    return path.name.removesuffix(".gz").rpartition(".")[0]
