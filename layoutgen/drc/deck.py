"""A process's rules as a script for KLayout's DRC, which runs without this package and finds the same violations."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from layoutgen import derive
from layoutgen.drc.checks import Task, task
from layoutgen.drc.checks.kind import InexpressibleError
from layoutgen.drc.run import text
from layoutgen.errors import PdkError, printable
from layoutgen.pdk import Pdk
from layoutgen.units import DBU

ENDINGS = (".lydrc", ".drc")
"""Of the files a deck is kept in: KLayout's macro file, which shows in its menu, or the script alone."""
Version = tuple[int, int, int]
NEEDED: Version = (0, 28, 0)
"""KLayout's version that a deck needs: before, there was no `inside_part` of edges."""
KNOWN: tuple[Version, Version] = (0, 28, 5), (0, 30, 12)
"""The lowest and the highest version of KLayout that is known to find the same as `layoutgen drc`."""
HELPERS = Path(__file__).with_name("deck.rb")
MOST = 1000
"""Characters of a text from outside."""


def script(pdk: Pdk, flow: str) -> str:
    """The rules of a flow as a script in KLayout's DRC language.

    Each rule of the process is named once: with its checks, or with the reason why it is not checked.

    Raises:
        UnknownNameError: the PDK has no such flow.
    """
    pdk.flow(flow)
    pdk = pdk.in_flow(flow)
    parts = [_rule(pdk, flow, name) for name in pdk.rules]
    rules = "\n".join(line for part in parts for line in part)
    layers = "\n".join(_layers(pdk, rules))
    begin, end = _begin(pdk, flow), _end(pdk, flow)
    helpers = "\n\n".join(_used_helpers(f"{begin}\n{layers}\n{rules}"))
    return "\n".join([begin, helpers, "", layers, "", rules, "", end, ""])


def macro(pdk: Pdk, flow: str) -> str:
    """The script as a `.lydrc` file: a macro of KLayout's that shows in its menu.

    Raises:
        UnknownNameError: the PDK has no such flow.
    """
    root = ElementTree.Element("klayout-macro")
    for name, value in {
        "description": printable(f"{pdk.title} ({pdk.name}, {flow})"), "version": "", "category": "drc", "prolog": "",
        "epilog": "", "doc": "", "autorun": "false", "autorun-early": "false", "priority": "0", "shortcut": "",
        "show-in-menu": "true", "group-name": "drc_scripts", "menu-path": "tools_menu.drc.end", "interpreter": "dsl",
        "dsl-interpreter-name": "drc-dsl-xml", "text": script(pdk, flow),
    }.items():  # fmt: skip
        ElementTree.SubElement(root, name).text = value
    ElementTree.indent(root, " ")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def not_expressed(pdk: Pdk, flow: str) -> dict[str, str]:
    """Why each rule of a flow that its deck does not check is not."""
    return {name: why for name in pdk.rules_of(flow) if isinstance(why := _checks(pdk, name), str)}


def quoted(value: str) -> str:
    """Text from outside as a Ruby string in which nothing is evaluated; control characters become '?'."""
    plain = printable(value, MOST)
    return "'" + plain.replace("\\", "\\\\").replace("'", "\\'") + "'"


def version(words: str) -> Version | None:
    """KLayout's version as `klayout -v` says it (`KLayout 0.28.5`), or None."""
    found = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", words)
    return (int(found[1]), int(found[2]), int(found[3] or 0)) if found else None


def outside_of_known(found: Version) -> str:
    """What is to be said of a version of KLayout that decks run in; nothing where it is known."""
    if found < NEEDED:
        return f"decks need {dotted(NEEDED)} at least"
    if KNOWN[0] <= found <= KNOWN[1]:
        return ""
    return f"decks are known to agree from {dotted(KNOWN[0])} to {dotted(KNOWN[1])} only"


def dotted(value: Version) -> str:
    return ".".join(map(str, value))


def _variable(layer: str) -> str:
    base, at, level = layer.partition("@")
    return f"l__{base}_at_{level}" if at else f"l_{base}"  # names begin with a letter: no other layer is called so


def _begin(pdk: Pdk, flow: str) -> str:
    missing = [f"#   {name}: {printable(why, MOST)}" for name, why in not_expressed(pdk, flow).items()]
    title = printable(f"{pdk.title} ({pdk.name}, flow {flow})", MOST)
    # the first line is no text from outside: Ruby would take one such as "coding: ..." for an instruction, and KLayout
    # one that begins with $
    return f"""\
# Design rules for KLayout's DRC, written by `layoutgen pdk deck`.
# Process: {title}
#
# From the command line:
#   klayout -b -r DECK -rd input=LAYOUT -rd report=MARKERS.lyrdb [-rd topcell=CELL]
# or from KLayout's menu, on the layout that is shown. One category for each rule.
#
# Circles are measured by the sides they are drawn with, as `layoutgen drc` does without `--circles analytic`.
# Lengths are um; a name that ends in dbu, and whole numbers, are database units of {DBU} um.
#
# Not checked by this deck, each an empty category that says so{":" if missing else ": none."}
{chr(10).join(missing)}
version = RBA::Application.instance.version
found = (version.match(/(\\d+)\\.(\\d+)(?:\\.(\\d+))?/) || [0, 0, 0, 0]).to_a[1, 3].map(&:to_i)
log("#{{version}} runs the rules of " + {quoted(f"{pdk.name}, flow {flow}")})
raise("this deck needs KLayout {dotted(NEEDED)} at least") if (found <=> {list(NEEDED)}) < 0
if (found <=> {list(KNOWN[0])}) < 0 || (found <=> {list(KNOWN[1])}) > 0
  warn("#{{version}} is not known to agree with layoutgen: {dotted(KNOWN[0])} to {dotted(KNOWN[1])} are")
end

if $input
  source($input, $topcell)
elsif !RBA::LayoutView.current || !RBA::CellView.active.is_valid?
  raise("no layout: give one with -rd input=FILE, or show one")
end
if (source.layout.dbu - {DBU}).abs > 1e-12
  raise("this deck is for a database unit of {DBU} um, not #{{source.layout.dbu}} um")
end
flat
@layoutgen_dbu = source.layout.dbu
@layoutgen_database = RBA::ReportDatabase::new($report ? File.basename($report) : "layoutgen")
@layoutgen_database.generator = "layoutgen pdk deck"
@layoutgen_database.description = {quoted(title)}
@layoutgen_database.top_cell_name = source.cell_name
@layoutgen_cell = @layoutgen_database.create_cell(source.cell_name)
@layoutgen_checked, @layoutgen_idle, @layoutgen_not_checked, @layoutgen_broken = [], [], [], []
"""


def _end(pdk: Pdk, flow: str) -> str:
    drawn = [name for name in pdk.flows[flow].draws if name in pdk.drawn_layers]
    must = "\n".join(
        f'not_checked("DRAWN.{name}", "layer {name} is drawn", "there is nothing on layer {name}") '
        f"if {_source(pdk, name)}.data.is_empty?"
        for name in drawn
    )
    return f"""\
{must}
if $report
  @layoutgen_database.save(File.absolute_path($report))
elsif RBA::LayoutView.current
  view = RBA::LayoutView.current
  view.show_rdb(view.add_rdb(@layoutgen_database), view.active_cellview_index)
end
violated = @layoutgen_checked.select {{ |_, number| number > 0 }}
violated.each {{ |id, number| log("#{{id}}: #{{number}}") }}
log("#{{@layoutgen_checked.size}} rules checked, #{{violated.size}} with violations; " \\
    "#{{@layoutgen_idle.size}} do not apply; NOT CHECKED: #{{@layoutgen_not_checked.size}} " \\
    "#{{@layoutgen_not_checked.join(', ')}}")
raise("KLayout failed on #{{@layoutgen_broken.join(', ')}}") unless @layoutgen_broken.empty?"""


def _layers(pdk: Pdk, rules: str) -> Iterator[str]:
    """The layers that the rules use, each after those it is made of."""
    done: dict[str, str] = {}

    def define(name: str) -> str:
        if name not in done:
            if name in pdk.derived:
                made = derive.script(pdk.derived[name].expression, define, pdk.number)
                line = f"{_variable(name)} = derived({made})"
            else:
                line = f"{_variable(name)} = {_source(pdk, name)}"
            done[name] = line
        return _variable(name)

    used = set(re.findall(r"\bl_\w+", rules))
    for name in (*pdk.drawn_layers, *pdk.derived):
        if _variable(name) in used:
            define(name)
    yield from done.values()


def _source(pdk: Pdk, name: str) -> str:
    number, datatype = pdk.drawn_layers[name].gds
    return f"polygons({number}, {datatype}).merged"


def _rule(pdk: Pdk, flow: str, name: str) -> list[str]:
    says = quoted(text(name, pdk.rules[name]))
    if name not in pdk.rules_of(flow):
        why = f"a rule of flow {', '.join(pdk.rules[name].flows)}"
        return [f"does_not_apply({quoted(name)}, {says}, {quoted(why)})"]
    checks = _checks(pdk, name)
    if isinstance(checks, str):
        return [f"not_checked({quoted(name)}, {says}, {quoted(checks)})"]
    job = task(name, pdk.rules[name])
    needs, within = _needed(pdk, flow, job)
    options = [f"needs: {_named(needs)}"] if needs else []
    options.append(f"about: {_named(job.subjects)}")
    if within:
        options.append(f"within: {_named(within)}")
    if job.kind.layers[0].endswith("*"):
        options.append("several: true")
    found = ",\n".join(f"  {check}" for check in checks)
    return [f"rule({quoted(name)}, {says}, {', '.join(options)}) do [", found, "] end"]


def _checks(pdk: Pdk, name: str) -> list[str] | str:
    """A rule's checks in the script, or why there are none."""
    rule = pdk.rules[name]
    try:
        job = task(name, rule)
        if job.kind.deck is None:
            return f"a deck has no check of kind {job.kind.name}"
        return job.kind.deck([*_variables(job.layers)], job.steps, job.options)
    except InexpressibleError as e:
        return str(e)
    except PdkError as e:
        return "; ".join(str(problem) for problem in e.problems)


def _variables(layers: tuple[str, ...]) -> Iterator[str]:
    """The layers' names in the script; of one that stands twice in a rule the second has data of its own."""
    for i, layer in enumerate(layers):
        yield f"derived({_variable(layer)})" if layer in layers[:i] else _variable(layer)


def _needed(pdk: Pdk, flow: str, job: Task) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Layers that must not be empty: those that the flow draws and the outlines that the rule is about; and, where
    there is something to check, the outlines and other layers that it is measured to.
    """
    draws, reserved = pdk.flows[flow].draws, pdk.reserved
    sources = {layer: dict.fromkeys((layer, *pdk.sources(layer))) for layer in job.layers}
    about = [s for layer in job.subjects for s in sources[layer] if s in reserved]
    needs = tuple(dict.fromkeys([*(s for layer in job.layers for s in sources[layer] if s in draws), *about]))
    within = dict.fromkeys([*(s for layer in job.layers for s in sources[layer] if s in reserved), *job.needed])
    return needs, tuple(layer for layer in within if layer not in needs)


def _named(layers: tuple[str, ...]) -> str:
    """The layers by name, as a hash of Ruby's."""
    return "{ " + ", ".join(f'"{layer}" => {_variable(layer)}' for layer in dict.fromkeys(layers)) + " }"


def _used_helpers(using: str) -> Iterator[str]:
    """The helpers that a script uses, in their order."""
    helpers: dict[str, str] = {}
    for part in HELPERS.read_text("utf-8").strip().split("\n\n"):
        found = re.search(r"^def (\w+\??)", part, re.MULTILINE)
        assert found is not None  # noqa: S101  each part of the file is a helper; a test looks
        helpers[found[1]] = part
    used = {"rule", "not_checked", "does_not_apply"}
    todo = [using, *(helpers[name] for name in used)]
    while todo:
        here = todo.pop()
        new = {name for name in helpers if name not in used and re.search(rf"(?<!\w){re.escape(name)}(?!\w)", here)}
        used |= new
        todo += [helpers[name] for name in new]
    yield from (part for name, part in helpers.items() if name in used)
