"""TOML in, a validated frozen model out; every problem of the file at once, each with its place and its mend."""

from __future__ import annotations

import errno
import tomllib
import types
import typing
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError
from pydantic.fields import FieldInfo

from layoutgen.errors import InputError, Problem, nearest
from layoutgen.units import LARGEST, Um


class Model(BaseModel):
    """A table of a TOML file: frozen, no unknown keys, no conversion between types, no infinities."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, defer_build=True)


MAX_DEPTH = 32
"""Tables and lists in each other; the files that are read here need four."""
PositiveUm = Annotated[Um, Field(gt=0)]
NonNegativeUm = Annotated[Um, Field(ge=0)]
PositiveOnWafer = Annotated[Um, Field(gt=0, le=LARGEST)]
OnWafer = Annotated[Um, Field(ge=0, le=LARGEST)]
"""Of a process, where nothing later looks at how long it is."""
OneOrPair = Annotated[
    Annotated[PositiveUm, Tag("[one]")] | Annotated[tuple[PositiveUm, PositiveUm], Tag("[pair]")],
    Discriminator(lambda value: "[pair]" if isinstance(value, tuple) else "[one]"),
]
"""A length for x and y alike, or one each; told apart first, so that what is wrong is said once."""
M = TypeVar("M", bound=BaseModel)
MOST_BYTES = 64 << 20


def plain_text(path: Path) -> str:
    """The text of a file that someone named, byte-order mark aside.

    Raises:
        OSError: there is none, it cannot be read, it is no plain file (a device, a pipe), or it is far too large.
        UnicodeDecodeError: it is not UTF-8.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        raise OSError(errno.EINVAL, "it is a device or a pipe, not a file")
    if path.is_file() and path.stat().st_size > MOST_BYTES:
        raise OSError(errno.EFBIG, f"it is larger than {MOST_BYTES >> 20} MB")
    return path.read_text("utf-8-sig")


def load(path: Path, error: type[InputError]) -> dict[str, Any]:
    """The file as plain tables.

    Raises:
        error: the file is missing, is not UTF-8, or is not TOML; or a whole number in it is beyond TOML's 64 bits.
    """
    try:
        raw = tomllib.loads(plain_text(path))
        place = _beyond_64_bits(raw)
    except FileNotFoundError:
        problem = "no such file"
    except IsADirectoryError:
        files = ", ".join(sorted(p.name for p in path.glob("*.toml"))[:12])
        problem = f"is a folder, not a file; name {f'one in it: {files}' if files else 'a .toml file'}"
    except OSError as e:
        problem = f"cannot be read: {e.strerror}"
    except UnicodeDecodeError:
        problem = "is not UTF-8 text; save it as UTF-8"
    except tomllib.TOMLDecodeError as e:
        problem = f"is not TOML: {e}"
    except ValueError:  # Python refuses to read a whole number of thousands of digits, or a path with a NUL
        problem = "cannot be read: its name or a whole number in it is not usable; write plain names and small numbers"
    except RecursionError:
        problem = "is nested too deeply"
    else:
        if not place:
            return raw
        raise error([Problem(str(path), place, "is a whole number beyond 64 bits; write a smaller one")])
    raise error([Problem(str(path), "", problem)])


def _beyond_64_bits(value: Any, *path: int | str) -> str:
    """Where the first whole number beyond 64 bits stands, '' if there is none.

    Raises:
        RecursionError: there are more than `MAX_DEPTH` tables or lists in each other.
    """
    if len(path) > MAX_DEPTH:
        raise RecursionError
    if isinstance(value, dict | list):
        parts = value.items() if isinstance(value, dict) else enumerate(value)
        return next((p for p in (_beyond_64_bits(v, *path, k) for k, v in parts) if p), "")
    return ".".join(map(str, path)) if isinstance(value, int) and not -(2**63) <= value < 2**63 else ""


def validate(raw: dict[str, Any], model: type[M], file: str, error: type[InputError]) -> M:
    """`raw` as a `model`.

    Raises:
        error: with one `Problem` for each wrong key or value.
    """
    try:
        return model.model_validate(_tuples(raw))
    except ValidationError as e:
        problems = [_problem(file, model, dict(item)) for item in e.errors(include_url=False)]
        raise error(dict.fromkeys(problems)) from None


def _tuples(value: Any) -> Any:
    """TOML arrays as tuples, so that what is validated stays immutable."""
    if isinstance(value, dict):
        return {k: _tuples(v) for k, v in value.items()}
    if isinstance(value, list):
        return tuple(_tuples(v) for v in value)
    return value


PLAIN_NAME = r"^[A-Za-z][A-Za-z0-9_]{0,31}$"
LAYER_NAME = r"^[A-Za-z][A-Za-z0-9_]{0,31}(@[A-Za-z][A-Za-z0-9_]{0,31})?$"
RULE_NAME = r"^[A-Za-z][A-Za-z0-9_.-]{0,31}$"
FILE_NAME = r"^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$"
SPACED_NAME = r"^[A-Za-z0-9_][A-Za-z0-9_ .-]{0,63}$"
IDENTITY = r"^[0-9a-f]{16}$"
NAMES = {
    PLAIN_NAME: "a letter, then letters, digits and _, 32 at most",
    LAYER_NAME: "a letter, then letters, digits and _, 32 at most, and @ with another one if it is at a level",
    RULE_NAME: "a letter, then letters, digits, _ . and -, 32 at most",
    FILE_NAME: "letters, digits, _ and -, the first no -, 64 at most",
    IDENTITY: "the 16 digits and letters a to f that a report gives",
    SPACED_NAME: "letters, digits, spaces, _ . and -, a letter, digit or _ first, 64 at most",
}
"""What each pattern of a name asks for, in words."""
_MESSAGES = {
    "missing": "is missing; add it",
    "float_type": "must be a number",
    "int_type": "must be a whole number",
    "string_type": "must be text in quotes",
    "bool_type": "must be true or false",
    "tuple_type": "must be a list in [ ]",
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "finite_number": "must be a finite number",
    "date_type": "must be a day without quotes, as 2027-12-31",
}


def _problem(file: str, model: type[BaseModel], item: dict[str, Any]) -> Problem:
    kind, value, context = item["type"], item["input"], item.get("ctx", {})
    loc = tuple(part for part in item["loc"] if part not in ("[one]", "[pair]", "[text]"))
    place = ".".join(str(part) for part in loc)
    if loc[-1:] == ("[key]",):  # a table's own name
        place = ".".join(str(part) for part in loc[:-2])
        message = f"{value!r} is no plain name: {NAMES.get(context.get('pattern', ''), 'letters, digits and _')}"
    elif kind == "missing" and isinstance(loc[-1], int):  # of a pair; there are no longer tuples of a fixed length
        place = ".".join(str(part) for part in loc[:-1])
        message = f"must be two numbers, not {list(value)}"
    elif kind == "too_long" and context.get("max_length") == 2:
        message = f"must be two numbers, not {list(value)}"
    elif kind == "extra_forbidden":
        message = f"unknown key{nearest(str(loc[-1]), _fields(model, loc[:-1]))}"
    elif kind == "missing":
        message = _MESSAGES[kind]
    else:
        message = (
            (kind == "float_type" and _is_um(model, loc) and "must be a number of um")
            or _MESSAGES.get(kind)
            or _bound(kind, context)
            or item["msg"].removeprefix("Value error, ")
        )
        if not isinstance(value, dict | tuple):
            message = f"{message}, not {value!r}"
    return Problem(file, place, message)


def _bound(kind: str, context: dict[str, Any]) -> str:
    bounds = {"greater_than": ("greater than", "gt"), "greater_than_equal": ("at least", "ge"),
              "less_than": ("less than", "lt"), "less_than_equal": ("at most", "le")}  # fmt: skip
    if kind in bounds:
        words, key = bounds[kind]
        return f"must be {words} {context[key]:g}"
    if kind == "literal_error":
        return f"must be {context['expected']}"
    if kind == "string_pattern_mismatch" and context["pattern"] in NAMES:
        return f"must be {NAMES[context['pattern']]}"
    if kind == "string_too_short":
        return "must have text in it"
    return ""


def _is_um(model: type[BaseModel], path: tuple[int | str, ...]) -> bool:
    """Whether what stands at `path` is a length, or one of several."""
    while path and isinstance(path[-1], int):
        path = path[:-1]
    field = _fields(model, path[:-1]).get(str(path[-1])) if path else None
    return field is not None and ("um" in field.metadata or _names_um(field.annotation))


def _names_um(annotation: Any) -> bool:
    return "um" in get_args(annotation) or any(_names_um(part) for part in get_args(annotation))


def _fields(model: type[BaseModel], path: tuple[int | str, ...]) -> dict[str, FieldInfo]:
    """What a table at `path` may have, by key, by walking the model's annotations."""
    here: Any = model
    for part in path:
        if isinstance(here, type) and issubclass(here, BaseModel):
            here = next((f.annotation for name, f in here.model_fields.items() if part in (name, f.alias)), None)
        else:
            args = get_args(here)
            here = next((a for a in reversed(args) if a is not Ellipsis), None)
        here = _table_in(here)
    if isinstance(here, type) and issubclass(here, BaseModel):
        return {f.alias or name: f for name, f in here.model_fields.items()}
    return {}


def _table_in(annotation: Any) -> Any:
    """The model inside `X | None` or `Annotated[X, ...]`; containers are left for the next step of the walk."""
    if get_origin(annotation) is Annotated:
        return _table_in(get_args(annotation)[0])
    if get_origin(annotation) in (typing.Union, types.UnionType):
        return next((a for a in get_args(annotation) if a is not type(None)), None)
    return annotation
