"""KLayout's view of a PDK: layer properties (.lyp: names, colours, patterns) and technology (.lyt)."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator

from layoutgen.pdk import LayerNumber, Pdk

# KLayout's built-in patterns: openings hatched, what remains filled, the rest as outlines
_PATTERN = {"opening": "I5", "remaining": "I0", None: "I1"}


def layer_properties(pdk: Pdk) -> str:
    """The .lyp file of a PDK's layers: process names, what remains below, openings above, markers last."""
    root = ET.Element("layer-properties")
    for number, name, title, color, pattern, visible in _shown(pdk):
        item = ET.SubElement(root, "properties")
        for tag, text in (
            ("frame-color", color), ("fill-color", color), ("frame-brightness", "0"), ("fill-brightness", "24"),
            ("dither-pattern", pattern), ("line-style", ""), ("valid", "true"), ("visible", str(visible).lower()),
            ("transparent", "false"), ("width", "1"), ("marked", "false"), ("xfill", "false"), ("animation", "0"),
            ("name", f"{name} - {title}" if title else name), ("source", f"{number[0]}/{number[1]}@1"),
        ):  # fmt: skip
            ET.SubElement(item, tag).text = text
    return _xml(root)


def mask_properties(pdk: Pdk, flow: str) -> str:
    """The .lyp file of a flow's mask files."""
    root = ET.Element("layer-properties")
    for name, mask in pdk.masks_of(flow).items():
        item = ET.SubElement(root, "properties")
        color = pdk.layers[mask.marks].color
        for tag, text in (
            ("frame-color", color), ("fill-color", color), ("dither-pattern", "I0"), ("valid", "true"),
            ("visible", "true"), ("name", f"{name} - {mask.title}"), ("source", f"{mask.gds[0]}/{mask.gds[1]}@1"),
        ):  # fmt: skip
            ET.SubElement(item, tag).text = text
    return _xml(root)


def _shown(pdk: Pdk) -> Iterator[tuple[LayerNumber, str, str, str, str, bool]]:
    # what stands last is drawn on top: solid metal first, hatched openings over it, outlines over all
    order = ("remaining", "opening", None)
    for name, layer in sorted(pdk.layers.items(), key=lambda item: order.index(item[1].drawn)):
        yield (
            layer.gds,
            name,
            layer.title,
            layer.color,
            _PATTERN[layer.drawn],
            layer.shown and name != pdk.roles.get("note"),
        )
    for name, derived in pdk.derived.items():
        if derived.gds is not None:
            yield derived.gds, name, derived.title, derived.color, "I1", True
    for name, layer in pdk.reserved.items():
        yield layer.gds, name, layer.title, layer.color, "I1", name in ("die", "wafer")


def technology(pdk: Pdk) -> str:
    """The .lyt file of a PDK: its layer properties by bare name beside it, what conducts, and how files are written."""
    root = ET.Element("technology")
    for tag, text in (
        ("name", f"layoutgen_{pdk.name}"), ("description", pdk.title), ("group", "layoutgen"), ("dbu", "0.001"),
        ("base-path", ""), ("original-base-path", ""), ("layer-properties_file", f"{pdk.name}.lyp"),
        ("add-other-layers", "true"),
    ):  # fmt: skip
        ET.SubElement(root, tag).text = text
    connectivity = ET.SubElement(root, "connectivity")
    symbols = dict.fromkeys((*pdk.layers, *(n for n, d in pdk.derived.items() if d.gds)))
    for a, via, b in connections(pdk):
        ET.SubElement(connectivity, "connection").text = f"{a},{via},{b}"
    for symbol in symbols:
        number = pdk.gds(symbol)
        ET.SubElement(connectivity, "symbols").text = f"{symbol}='{number[0]}/{number[1]}'"
    return _xml(root)


def connections(pdk: Pdk) -> Iterator[tuple[str, str, str]]:
    """Conductor, via, conductor, for KLayout's net tracer, by the roles the process has."""
    roles = pdk.roles
    for lower, via, upper in (("pad", "opening", "metal"), ("metal", "via", "ubm"), ("metal", "tie", "tie")):
        if lower in roles and via in roles and upper in roles:
            yield roles[lower], roles[via], roles[upper]


def _xml(root: ET.Element) -> str:
    ET.indent(root, " ")
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"
