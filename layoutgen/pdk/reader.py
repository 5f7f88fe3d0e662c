"""From a `pdk.toml`, and those that it extends, to a process; a flow with tables of its own is a view of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from layoutgen import derive, tomlfile
from layoutgen.errors import PdkError, Problem, UnknownNameError
from layoutgen.pdk.problems import out_of_range, over_the_stack, problems_of, without_density
from layoutgen.pdk.process import Pdk
from layoutgen.pdk.tables import OF_FLOW, Rule


def read(folder: Path, find: Callable[[str], Path]) -> Pdk:
    """The PDK in `folder/pdk.toml`; `find` gives the folder of a PDK that it extends.

    Raises:
        PdkError: the file is missing or wrong; all of its problems at once.
    """
    path = folder / "pdk.toml"
    raw = _raw(path, find, ())
    pdk = tomlfile.validate(raw, Pdk, str(path), PdkError)
    problems = list(problems_of(pdk, str(path)))
    if pdk.name != folder.name:
        problems.append(Problem(str(path), "name", f"must be the folder's, {folder.name!r}, not {pdk.name!r}"))
    if problems:
        raise PdkError(problems)
    read_in = _with_all_numbers(pdk)
    problems += without_density(pdk, str(path), [name for name, flow in pdk.flows.items() if not flow.connect])
    for name, flow in pdk.flows.items():
        own = {key: value for key in OF_FLOW if (value := getattr(flow, key))}
        if not own:
            problems += out_of_range(pdk, str(path), name)
            continue
        try:
            view = tomlfile.validate(_overlaid(raw, own), Pdk, str(path), PdkError)
        except PdkError as e:
            problems += [replace(p, place=f"flows.{name}.{p.place}") for p in e.problems]
            continue
        wrong = list(problems_of(view, str(path))) or list(out_of_range(view, str(path), name))
        if flow.connect and not wrong:
            wrong += without_density(view, str(path), [name])
        problems += [replace(p, place=f"flows.{name}: {p.place}") for p in wrong]
        if not wrong:
            read_in._in_flow[name] = _with_all_numbers(view)
    if problems:
        raise PdkError(problems)
    return read_in


def _with_all_numbers(pdk: Pdk) -> Pdk:
    rules = {name: _with_numbers(pdk, rule) for name, rule in pdk.rules.items()}
    return pdk.model_copy(update={"rules": rules, "cut": pdk.cut and pdk.cut.resolved(pdk.number)})


def _with_numbers(pdk: Pdk, rule: Rule) -> Rule:
    """The rule with the values of its expressions over the stack in their place."""
    texts = over_the_stack(rule)
    values = {key: round(derive.value(text, pdk.number), 9) for key, text in texts.items()}
    return rule.model_copy(update=values) if values else rule


def _raw(path: Path, find: Callable[[str], Path], below: tuple[Path, ...]) -> dict[str, Any]:
    if path in below:
        raise PdkError([Problem(str(path), "extends", "this PDK extends itself; break the circle")])
    raw = tomlfile.load(path, PdkError)
    parent = raw.get("extends")
    if not isinstance(parent, str):
        return raw
    try:
        folder = find(parent)
    except UnknownNameError as e:
        raise PdkError([Problem(str(path), "extends", str(e))]) from None
    return _overlaid(_raw(folder / "pdk.toml", find, (*below, path)), raw)


def _overlaid(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Tables merge key by key; anything else is replaced. A new key stands after the one that it follows in `over`.

    A cut that is a V no more loses the angle that only a V has.
    """
    if isinstance(given := over.get("profile"), str) and given != "v":
        base = {key: value for key, value in base.items() if key not in ("angle", "angle_tolerance")}
    order = [*base]
    for before, key in pairwise(["", *over]):
        if key not in base:
            order.insert(order.index(before) + 1 if before in order else len(order), key)
    out = {**base, **over}
    for key in base.keys() & over.keys():
        if isinstance(base[key], dict) and isinstance(over[key], dict):
            out[key] = _overlaid(base[key], over[key])
    return {key: out[key] for key in order}
