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
from layoutgen_cells.common.placed import placed
from layoutgen_cells.hermetic.assembly import (
    cover_vias_to_frame,
    cover_vias_to_wafer,
    cover_vias_to_wiring,
    frame_street,
    frames,
    ground_ends,
    label_spot,
    rim_seal_stage,
    rings,
)
from layoutgen_cells.hermetic.capacitors import capacitor_interdigital, capacitor_plate
from layoutgen_cells.hermetic.frames import branch, frame, island, rim_seal
from layoutgen_cells.hermetic.inductors import inductor_spiral
from layoutgen_cells.hermetic.resistors import crossing, resistor_meander
from layoutgen_cells.hermetic.saw import saw_resonator
from layoutgen_cells.hermetic.vias import (
    bump_bead,
    underside_contact,
    via_cover_frame,
    via_cover_wafer,
    via_cover_wiring,
    via_frame_wafer,
    via_intermediate_wafer,
)
from layoutgen_cells.interface.assembly import (
    bond_wires,
    clearances,
    edge_pullback,
    label_corner,
    mold_drawn,
    passivation_openings,
    relief_openings,
    street_pullback,
    underfill_drawn,
)
from layoutgen_cells.interface.cells import edge_opening, pad_clearance, passivation_opening
from layoutgen_cells.interface.openings import interface_openings
from layoutgen_cells.interface.reference import bond_wire, mold_extent, support_pad, underfill_extent
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
    "bond_wire",
    "bond_wires",
    "branch",
    "bump_bead",
    "capacitor_interdigital",
    "capacitor_plate",
    "chip",
    "chip_pad",
    "clearances",
    "contact_opening_stage",
    "contact_ring_stage",
    "cover_vias_to_frame",
    "cover_vias_to_wafer",
    "cover_vias_to_wiring",
    "crossing",
    "die_label_box",
    "die_labels",
    "edge_opening",
    "edge_pullback",
    "frame",
    "frame_street",
    "frames",
    "ground_ends",
    "inductor_spiral",
    "interface_openings",
    "island",
    "kerf_bus",
    "kerf_bus_stage",
    "kerf_ring",
    "kerf_tie",
    "label_corner",
    "label_spot",
    "label_text",
    "mark_key",
    "mark_target",
    "mold_drawn",
    "mold_extent",
    "pad_clearance",
    "passivation_opening",
    "passivation_openings",
    "placed",
    "polymer_opening",
    "polymer_openings",
    "polymer_via",
    "polymer_vias",
    "rdl_capture",
    "rdl_pad",
    "rdl_via",
    "rdl_wire",
    "redistribute",
    "relief_openings",
    "resistor_meander",
    "rim_seal",
    "rim_seal_stage",
    "rings",
    "saw_resonator",
    "stencil_aperture",
    "stencil_apertures",
    "street_pullback",
    "support_pad",
    "ubm",
    "under_bump_metal",
    "underfill_drawn",
    "underfill_extent",
    "underside_contact",
    "via_cover_frame",
    "via_cover_wafer",
    "via_cover_wiring",
    "via_frame_wafer",
    "via_intermediate_wafer",
    "vias_on_pads",
]
