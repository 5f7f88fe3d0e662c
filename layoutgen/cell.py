"""Cells: one frozen dataclass of parameters, one pure function that draws on named layers.

@dataclass(frozen=True, kw_only=True)
class Ball:
    '''A solder ball.'''
    diameter: Size

@generator("ball", Ball)
def ball(pdk: Pdk, p: Ball) -> Drawing: ...

ball(pdk)                   # the PDK's own parameters, [cells."ball"] in pdk.toml
ball(pdk, diameter=261.0)   # some of them changed
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields
from functools import lru_cache
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Generic, Protocol, TypeAlias, TypeVar, get_type_hints

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from layoutgen.errors import ParamError, UnknownNameError, nearest, printable
from layoutgen.pdk import Pdk
from layoutgen.tomlfile import NonNegativeUm, PositiveUm
from layoutgen.units import LARGEST, Deg, Points, Um

Size: TypeAlias = PositiveUm
"""A length above 0 um, as a parameter of a cell."""
Distance: TypeAlias = NonNegativeUm
"""A length of 0 um or more, as a parameter of a cell."""


class _FromFile:
    """Marks parameters that a spec may give as the name of a file."""


Rows: TypeAlias = Annotated[tuple[tuple[Annotated[float, Field(ge=0)], ...], ...], _FromFile()]
"""Rows of numbers of 0 or more, from the top; in a spec also the name of a CSV or .npy file that holds them."""


@dataclass(frozen=True, slots=True)
class Pin:
    """A place to connect: layer, centre (um), width (um), outward angle (degrees, counter-clockwise from +x)."""

    name: str
    layer: str
    at: tuple[Um, Um]
    width: Um
    angle: Deg = 0.0


@dataclass(frozen=True, slots=True)
class Probe:
    """A place inside (um) that the metal of a pin leads to."""

    pin: str
    layer: str
    at: tuple[Um, Um]


@dataclass(frozen=True, slots=True)
class Circle:
    """A circle that a layer carries: centre and diameter (um). Written as the polygon that stands around it."""

    at: tuple[Um, Um]
    diameter: Um

    @property
    def radius(self) -> Um:
        """Half the diameter."""
        return self.diameter / 2


@dataclass(frozen=True, slots=True)
class Text:
    """An annotation that no mask prints: a net's or ball's name at a point (um)."""

    text: str
    at: tuple[Um, Um]


@dataclass(frozen=True, slots=True)
class Value:
    """What a formula says of a drawing: a quantity with its unit, as it is drawn and as it was asked for."""

    name: str
    unit: str
    drawn: float
    formula: str
    asked: float | None = None

    @property
    def error(self) -> float | None:
        """By how much the drawn value misses the asked one, as a share of it; None where none was asked for."""
        return None if self.asked is None else self.drawn / self.asked - 1


@dataclass(frozen=True, slots=True)
class Placement:
    """A drawing placed at `at` (um), turned by a multiple of 90 degrees; `columns` x `rows` of it, `step` um apart."""

    drawing: Drawing
    at: tuple[Um, Um] = (0.0, 0.0)
    angle: Deg = 0.0
    columns: int = 1
    rows: int = 1
    step: tuple[Um, Um] = (0.0, 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Scattered:
    """A drawing placed, not turned, at each of many places: (n, 2) in um. For what stands on no lattice."""

    drawing: Drawing
    at: Points


@dataclass(slots=True, eq=False)
class Drawing:
    """Plain data: polygons, circles and texts by layer name, pins, placements of other drawings, and values."""

    name: str
    polygons: dict[str, list[Points]] = field(default_factory=dict)
    circles: dict[str, list[Circle]] = field(default_factory=dict)
    texts: dict[str, list[Text]] = field(default_factory=dict)
    pins: list[Pin] = field(default_factory=list)
    probes: list[Probe] = field(default_factory=list)
    placements: list[Placement] = field(default_factory=list)
    scattered: list[Scattered] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)
    half_turns: bool = False
    """Whether it may be turned by 180 degrees only, as what works along one axis of a crystal."""

    def polygon(self, layer: str, points: npt.ArrayLike) -> None:
        """A polygon from corner points in um."""
        self.polygons.setdefault(layer, []).append(np.asarray(points, dtype=np.float64))

    def circle(self, layer: str, diameter: Um, at: tuple[Um, Um] = (0.0, 0.0)) -> None:
        """A circle by centre and diameter in um."""
        self.circles.setdefault(layer, []).append(Circle(at, diameter))

    def text(self, layer: str, text: str, at: tuple[Um, Um]) -> None:
        """An annotation at a point in um."""
        self.texts.setdefault(layer, []).append(Text(text, at))

    def pin(self, name: str, layer: str, at: tuple[Um, Um], width: Um, angle: Deg = 0.0) -> None:
        """A place to connect."""
        self.pins.append(Pin(name, layer, at, width, angle))

    def probe(self, pin: str, layer: str, at: tuple[Um, Um]) -> None:
        """A place inside that is of one net with a pin: what is asked there tells whether the way to it is whole."""
        self.probes.append(Probe(pin, layer, at))

    def place(
        self,
        drawing: Drawing,
        at: tuple[Um, Um] = (0.0, 0.0),
        angle: Deg = 0.0,
        *,
        columns: int = 1,
        rows: int = 1,
        step: tuple[Um, Um] = (0.0, 0.0),
    ) -> None:
        """Another drawing, once or as an array."""
        self.placements.append(Placement(drawing, at, angle, columns, rows, step))

    def value(self, name: str, unit: str, drawn: float, formula: str, asked: float | None = None) -> None:
        """What a formula says of what is drawn, computed back from the drawing."""
        self.values.append(Value(name, unit, drawn, formula, asked))

    def below(self) -> Iterator[Drawing]:
        """This drawing and all that it places, each once, children first."""
        seen: set[int] = set()

        def visit(drawing: Drawing) -> Iterator[Drawing]:
            if id(drawing) not in seen:
                seen.add(id(drawing))
                for below in (*(p.drawing for p in drawing.placements), *(s.drawing for s in drawing.scattered)):
                    yield from visit(below)
                yield drawing

        return visit(self)


class Params(Protocol):
    """Any frozen dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


P = TypeVar("P", bound=Params)


@dataclass(frozen=True, slots=True)
class Generator(Generic[P]):
    """A named cell: a parameter class and a draw function; call it with a PDK and the parameters to change."""

    name: str
    params: type[P]
    draw: Callable[[Pdk, P], Drawing]

    def __call__(self, pdk: Pdk, **changed: Any) -> Drawing:
        """Draw with the PDK's parameters, `changed` ones aside.

        Raises:
            ParamError: a parameter is unknown, missing, of the wrong type, or out of range.
            UnknownNameError: the PDK lacks a role or rule that the cell needs.
        """
        parameters = self.parameters(pdk, **changed)
        own = {**{f.name: f.default for f in fields(self.params)}, **self.defaults(pdk)}
        given = {name: getattr(parameters, name) for name in changed}
        drawing = self.draw(pdk, parameters)
        if not isinstance(drawing, Drawing):
            raise ParamError(f"{self.name}: drew {type(drawing).__name__}, not a Drawing; end it with `return d`")
        drawing.name = cell_name(self.name, {name: value for name, value in given.items() if value != own[name]})
        return drawing

    def parameters(self, pdk: Pdk, **changed: Any) -> P:
        """The parameter set: what the PDK says, what is `changed`, and the dataclass's own defaults for the rest."""
        given = {**self.defaults(pdk), **changed}
        try:
            checked = schema(self.params).model_validate({key: _fixed(value) for key, value in given.items()})
        except ValidationError as e:
            lines = dict.fromkeys(f"{self.name}: {self._problem(dict(item), given)}" for item in e.errors())
            raise ParamError("\n".join(lines)) from None
        values = {f.name: getattr(checked, f.name) for f in fields(self.params)}
        if problems := list(self._impossible(values, pdk)):
            raise ParamError("\n".join(f"{self.name}: {problem}" for problem in problems))
        try:
            return self.params(**values)
        except ValueError as e:
            raise ParamError(f"{self.name}: {e}") from None

    def _impossible(self, values: Mapping[str, Any], pdk: Pdk) -> Iterator[str]:
        """Lengths that no mask can have."""
        for name, unit in self.units().items():
            value = values[name]
            if unit == "um" and isinstance(value, float | int):
                if 0 < abs(value) < pdk.grid:
                    yield f"{name}={float(value):g} um is finer than the grid, {pdk.grid:g}"
                if abs(value) > LARGEST:
                    yield f"{name}={printable(repr(value), 30)} um is longer than a wafer, {LARGEST:g}"

    def _problem(self, item: dict[str, Any], given: Mapping[str, Any]) -> str:
        place = ".".join(str(part) for part in item["loc"])
        if item["type"] == "extra_forbidden":
            return f"no parameter {place!r}{nearest(place, [f.name for f in fields(self.params)])}"
        if item["type"] == "missing" and len(item["loc"]) == 1:
            return f"{place} is missing; give it, or set it under [cells.{self.name!r}] in the PDK"
        name = item["loc"][0]
        if item["type"] == "missing":
            return f"{name}: holds too few values, {given.get(name)!r}"
        if isinstance(given.get(name), list):  # as it was given, not as the tuple that was looked at
            return f"{name}: {item['msg'].lower()}, not {given[name]!r}"
        return f"{place}: {item['msg'].lower()}, not {item['input']!r}"

    def defaults(self, pdk: Pdk) -> dict[str, Any]:
        """The PDK's parameters for this cell; `{rule = "ID"}` stands for that rule's limit."""
        out: dict[str, Any] = {}
        for name, value in pdk.cells.get(self.name, {}).items():
            if isinstance(value, Mapping):
                rule = pdk.rules.get(value.get("rule", ""))
                if rule is None or rule.limit is None:
                    raise UnknownNameError(
                        "rule with a limit", value.get("rule", ""), pdk.rules, where=f"PDK {pdk.name!r}"
                    )
                value = rule.limit
            out[name] = value
        return out

    def meanings(self) -> dict[str, str]:
        """What each parameter means: the text below its field."""
        return field_meanings(self.params)

    def units(self) -> dict[str, str]:
        """The unit of each parameter, '' for a pure number or a choice."""
        hints = get_type_hints(self.params, include_extras=True)
        return {name: next((m for m in _metadata(hint) if isinstance(m, str)), "") for name, hint in hints.items()}

    def from_files(self) -> set[str]:
        """The parameters that a spec may give as the name of a file."""
        hints = get_type_hints(self.params, include_extras=True)
        return {name for name, hint in hints.items() if any(isinstance(m, _FromFile) for m in _metadata(hint))}


def field_meanings(record: type[Any]) -> dict[str, str]:
    """What each field of a class means: the text below it in the source; none where there is no source."""
    try:
        body = ast.parse(textwrap.dedent(inspect.getsource(record))).body[0]
    except (OSError, TypeError):
        return {}
    out: dict[str, str] = {}
    for node, after in pairwise(getattr(body, "body", [])):
        match node, after:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str() as text)):
                out[name] = " ".join(text.split())
    return out


def generator(name: str, params: type[P]) -> Callable[[Callable[[Pdk, P], Drawing]], Generator[P]]:
    """Turn `draw(pdk, params) -> Drawing` into a named cell."""

    def wrap(draw: Callable[[Pdk, P], Drawing]) -> Generator[P]:
        return Generator(name, params, draw)

    return wrap


def cell_name(generator_name: str, changed: Mapping[str, Any]) -> str:
    """A cell's name in the files: the generator's, and a short fingerprint where parameters were changed.

    At most 32 letters, digits and _, the first one no digit. Two bytes of fingerprint were too few: of 300 variants of
    one cell, two would share a name more often than not.
    """
    base = re.sub(r"[^A-Za-z0-9_]|^(?=[0-9]|$)", "_", generator_name)
    if not changed:
        return base[:32]
    return f"{base[:23]}_{hashlib.blake2b(repr(sorted(changed.items())).encode(), digest_size=4).hexdigest()}"


@dataclass(slots=True)
class Library:
    """Generators by name. Passed around, never global."""

    _by_name: dict[str, Generator[Any]] = field(default_factory=dict)

    def add(self, gen: Generator[Any]) -> None:
        """Take in a generator.

        Raises:
            ValueError: another one has its name.
        """
        if (old := self._by_name.setdefault(gen.name, gen)) is not gen:
            raise ValueError(f"cell {gen.name!r} is defined in {old.draw.__module__} and in {gen.draw.__module__}")

    def __getitem__(self, name: str) -> Generator[Any]:
        if name not in self._by_name:
            raise UnknownNameError("cell", name, self._by_name)
        return self._by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._by_name))


def _fixed(value: Any) -> Any:
    """Arrays, as TOML and JSON give them, as tuples."""
    return tuple(_fixed(one) for one in value) if isinstance(value, list) else value


def _metadata(hint: Any) -> Iterator[Any]:
    yield from getattr(hint, "__metadata__", ())
    for part in getattr(hint, "__args__", ()):
        yield from _metadata(part)


@lru_cache(maxsize=256)
def schema(params: type[Any]) -> type[BaseModel]:
    """What checks the types of a parameter class: no conversions, no infinities, no unknown names."""
    hints = get_type_hints(params, include_extras=True)
    shape: dict[str, Any] = {
        f.name: (hints[f.name], ... if f.default is MISSING else f.default) for f in fields(params)
    }
    config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
    return create_model(params.__name__, __config__=config, **shape)
