"""The cells and stages that ship with layoutgen; each public `Generator` and `Stage` here is offered by name."""

from layoutgen_cells.common.kerf import (
    contact_opening_stage,
    contact_ring_stage,
    kerf_bus,
    kerf_bus_stage,
    kerf_ring,
    kerf_tie,
)
from layoutgen_cells.common.label import die_label_box, die_labels, label_text
from layoutgen_cells.common.marks import alignment_marks, mark_key, mark_target
from layoutgen_cells.hermetic.passives import (
    capacitor_interdigital,
    capacitor_plate,
    crossing,
    inductor_spiral,
    resistor_meander,
)
from layoutgen_cells.hermetic.saw import saw_resonator
from layoutgen_cells.redistribution.assembly import (
    balls,
    chip,
    polymer_openings,
    polymer_vias,
    redistribute,
    under_bump_metal,
)
from layoutgen_cells.redistribution.cells import (
    ball,
    chip_pad,
    polymer_opening,
    polymer_via,
    rdl_capture,
    rdl_pad,
    rdl_via,
    rdl_wire,
    ubm,
)
from layoutgen_cells.redistribution.studs import stencil_aperture, stencil_apertures, vias_on_pads

__all__ = [
    "alignment_marks",
    "ball",
    "balls",
    "capacitor_interdigital",
    "capacitor_plate",
    "chip",
    "chip_pad",
    "contact_opening_stage",
    "contact_ring_stage",
    "crossing",
    "die_label_box",
    "die_labels",
    "inductor_spiral",
    "kerf_bus",
    "kerf_bus_stage",
    "kerf_ring",
    "kerf_tie",
    "label_text",
    "mark_key",
    "mark_target",
    "polymer_opening",
    "polymer_openings",
    "polymer_via",
    "polymer_vias",
    "rdl_capture",
    "rdl_pad",
    "rdl_via",
    "rdl_wire",
    "redistribute",
    "resistor_meander",
    "saw_resonator",
    "stencil_aperture",
    "stencil_apertures",
    "ubm",
    "under_bump_metal",
    "vias_on_pads",
]
