"""The documentation says what is there: commands, files, cells, rules."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import click
import pytest

from layoutgen.cli import COMMANDS, cli
from layoutgen.discover import cells, pdk_names

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text("utf-8")
NAMES = ("README.md", "CONTRIBUTING.md", "docs/design.md", "docs/routing.md", "docs/ci.md")
DOCUMENTS = [ROOT / name for name in NAMES]


def renew() -> ModuleType:
    spec = importlib.util.spec_from_file_location("layoutgen_docs_renew", ROOT / "docs/renew.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("file", sorted(renew().tables()))
def test_generated_tables_are_those_of_the_code(file: str) -> None:
    assert (ROOT / file).read_text("utf-8") == renew().tables()[file], "renew them with: python docs/renew.py"


def test_every_parameter_of_every_cell_says_what_it_means() -> None:
    library = cells()
    silent = {
        name: sorted(library[name].units().keys() - library[name].meanings().keys())
        for name in library
        if library[name].units().keys() - library[name].meanings().keys()
    }
    assert silent == {}


def test_readme_names_every_command_and_process() -> None:
    missing = [name for name in COMMANDS if f"layoutgen {name}" not in README]
    missing += [name for name in pdk_names() if f"`{name}`" not in README]
    assert missing == []


def test_every_option_that_readme_names_exists() -> None:
    context = click.Context(cli)
    for line in re.findall(r"`layoutgen (\w+)([^`]*)`", README):
        command = cli.get_command(context, line[0])
        assert command is not None, line
        options = {o for p in command.params for o in p.opts}
        options |= {o for c in getattr(command, "commands", {}).values() for p in c.params for o in p.opts}
        named = set(re.findall(r"(?<![\w-])(--?[a-z][\w-]*)", line[1]))
        assert named <= options, line


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: p.name)
def test_links_and_pictures_lead_somewhere(document: Path) -> None:
    text = document.read_text("utf-8")
    targets = re.findall(r"\]\(([^)#\s]+)\)", text) + re.findall(r'src="([^"]+)"', text)
    gone = [t for t in targets if "://" not in t and not (document.parent / t).exists()]
    assert gone == []


def test_ci_runs_the_command_that_readme_gives() -> None:
    command = re.search(r"## Test\n\n```sh\n(.+)\n```", README)
    assert command is not None
    assert command[1] in (ROOT / ".ci/run").read_text("utf-8").splitlines()
    assert command[1] in (ROOT / "CONTRIBUTING.md").read_text("utf-8").splitlines()
