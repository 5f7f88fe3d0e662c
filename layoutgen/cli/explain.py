"""`layoutgen explain RULE.ID`."""

from __future__ import annotations

import click


@click.command("explain", short_help="Say what a design rule asks for.")
@click.argument("rule")
@click.option("--pdk", "pdk_name", help="The process whose rule it is; left out, every one that has it.")
def command(rule: str, pdk_name: str | None) -> int:
    """Say what RULE (as in RDL.S.1) asks for, why, by whose word, and how it is checked."""
    from layoutgen import discover
    from layoutgen.drc.run import describe
    from layoutgen.errors import UnknownNameError

    pdks = [discover.pdk(name) for name in ([pdk_name] if pdk_name else discover.pdk_names())]
    found = [pdk for pdk in pdks if rule in pdk.rules]
    if not found:
        raise UnknownNameError("rule", rule, {name for pdk in pdks for name in pdk.rules})
    texts: dict[str, list[str]] = {}
    for pdk in found:
        texts.setdefault(describe(rule, pdk.rules[rule]), []).append(pdk.name)
    for text, names in texts.items():
        click.echo(f"[{', '.join(names)}] {text}\n")
    return 0
