"""`[routing]` of a spec: what a build and `layoutgen route` take from it, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from layoutgen import maskset, spec
from layoutgen.cli import run
from layoutgen.errors import SpecError
from layoutgen.maskset import MaskSet
from layoutgen.route import RouteOptions, Style, Ties
from layoutgen.routed import route_chip

Specs = Callable[..., Path]


def routing(text: str) -> tuple[str, str]:
    """The small spec with a table more."""
    return "[wafer]", f"[routing]\n{text}\n[wafer]"


ASIDE = "ball,net,x,y\nA1,c,450,1000\nA2,d,1050,1000\nB1,a,450,500\nB2,b,1050,500\n"
"""Balls that do not stand straight above their pads."""


def built(spec_file: Specs, text: str) -> MaskSet:
    return maskset.build(spec.read(spec_file(routing(text), balls=ASIDE)))


def slopes(mask_set: MaskSet) -> set[bool]:
    """Whether each leg of each wire stands at 0 or 90 degrees."""
    assert mask_set.die.plan is not None
    legs = [leg for wire in mask_set.die.plan.wires for leg in pairwise(wire.points)]
    return {a[0] == b[0] or a[1] == b[1] for a, b in legs}


def test_a_build_has_the_style_of_its_spec(spec_file: Specs) -> None:
    assert slopes(built(spec_file, 'style = "manhattan"')) == {True}
    assert False in slopes(built(spec_file, 'style = "any-angle"'))


def test_a_build_makes_nets_equally_long_or_is_not_clean(spec_file: Specs) -> None:
    met = built(spec_file, 'match = [{ nets = ["a", "b"], within = 5.0 }]')
    assert met.die.plan is not None
    lengths = met.die.plan.net_lengths()
    assert abs(lengths["a"] - lengths["b"]) <= 5.001
    assert met.exit_code == met.report.exit_code == 0


def test_route_takes_the_same_and_options_go_before(spec_file: Specs) -> None:
    tied = ('pdk = "wlcsp_500"', 'pdk = "post"\nflow = "plated"')
    width = ('[cells."rdl.wire"]\nwidth = 30\n', "")
    read = spec.read(spec_file(tied, width, routing('style = "octilinear"\nties = "none"')))
    routed = route_chip(read)
    assert (routed.problem.style, routed.problem.ties) == (Style.OCTILINEAR, False)
    routed = route_chip(read, options=RouteOptions(style=Style.MANHATTAN, ties=Ties.NETS))
    assert (routed.problem.style, routed.problem.ties) == (Style.MANHATTAN, True)


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ('style = "diagonal"', "routing.style", "'any-angle'"),
        ('stile = "manhattan"', "routing.stile", "did you mean 'style'"),
        ('match = [{ nets = ["a"], within = 5.0 }]', "routing.match", "2"),
        ('match = [{ nets = ["a", "b"], within = -1.0 }]', "routing.match", "0"),
        ('match = [{ nets = ["a", "nobody"], within = 5.0 }]', "routing.match", "no net 'nobody'"),
        ('match = [{ nets = ["a", "b"], within = 1 }, { nets = ["b", "c"], within = 1 }]', "routing.match", "twice"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(spec_file: Specs, text: str, place: str, message: str) -> None:
    with pytest.raises(SpecError) as raised:
        spec.read(spec_file(routing(text)))
    (problem,) = raised.value.problems
    assert problem.place.startswith(place)
    assert message in problem.message


def test_ties_are_refused_where_the_process_has_none(spec_file: Specs, capsys: pytest.CaptureFixture[str]) -> None:
    path = spec_file(routing('ties = "pads"'))
    assert run(["build", str(path)]) == 2
    assert "routing.ties: no ties in PDK 'wlcsp_500'" in capsys.readouterr().err
