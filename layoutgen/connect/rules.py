"""What the nets of every wafer are asked, whatever the process: rules by name, and what each says."""

from __future__ import annotations

from layoutgen.connect.stack import stack
from layoutgen.cuts import CUTS_RULE
from layoutgen.pdk import Pdk

NETS, TIED, KERF, STUBS, COVER, CROSSINGS = "NETS", "TIED", "KERF", "STUBS", "COVER", "CROSSINGS"
TEXTS = {
    NETS: (
        "every net of the chip is one piece of metal that joins its pads and balls, no two nets are one piece, and "
        "every pad and ball has all that stands on it"
    ),
    TIED: "before the cut every net is joined to the bus, and the bus is one piece that reaches the contact ring",
    KERF: (
        "only the bus and what ties nets to it lie in the kerf where it carries the plating current, and all of the "
        "bus is surely cut away; where it does not, no metal lies there but a ground conductor, all of one net; street "
        "and cut are drawn as the process's blade asks for"
    ),
    STUBS: (
        "the cut ends of two nets' ties keep their distance, less the burr of both, along the cut and across "
        "the narrowest"
    ),
    COVER: "dielectric lies under each tie from its die to the worst-case cut edge, and by a margin around it",
    CROSSINGS: "no tie crosses a keep-out or mark of the wafer, and nothing but ties crosses the edge of a die",
}


def looked_at(rule: str, pdk: Pdk) -> list[str]:
    """The drawn layers that a picture of a finding by one of these rules, or of the cut list, has to show."""
    levels = stack(pdk)
    metal = levels.drawn(*(levels.levels[name] for name in levels.metals))
    cut = pdk.cut
    by_rule: dict[str, tuple[str, ...]] = {
        NETS: ("die", *levels.sources),
        TIED: ("die", *metal),
        KERF: ("street", "cut_maybe", "cut_sure", *metal),
        STUBS: ("die", "cut_maybe", *metal),
        COVER: ("die", "cut_maybe", *metal, *(levels.drawn(cut.bares) if cut and cut.bares else ())),
        CROSSINGS: ("die", *metal, *(cut.ties_avoid if cut else ())),
        CUTS_RULE: ("die", "street", "cut_maybe", "cut_sure", *(cut.keeps if cut else ())),
    }
    return [name for name in dict.fromkeys(by_rule.get(rule, ())) if name in pdk.drawn_layers]
