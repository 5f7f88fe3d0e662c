"""`layoutgen explain RULE.ID`."""

from __future__ import annotations

import click


@click.command("explain", short_help="Say what a design rule asks for.")
@click.argument("rule")
@click.option("--pdk", "pdk_name", help="The process whose rule it is; left out, every one that has it.")
def command(rule: str, pdk_name: str | None) -> int:
    """Say what RULE (as in RDL.S.1) asks for, why, by whose word, and how it is checked."""
    from layoutgen import discover
    from layoutgen.connect.rules import TEXTS
    from layoutgen.cuts import CUTS_RULE, CUTS_TEXT
    from layoutgen.drc.run import describe
    from layoutgen.errors import UnknownNameError

    always = {**TEXTS, CUTS_RULE: CUTS_TEXT}
    if rule.upper() in always:
        click.echo(f"{rule.upper()}: {always[rule.upper()]}. Every build checks this from the drawn metal.")
        return 0
    pdks = [discover.pdk(name) for name in ([pdk_name] if pdk_name else discover.pdk_names())]
    known = {name.upper(): name for pdk in pdks for name in pdk.rules}
    rule = known.get(rule.upper(), rule)
    said: dict[str, dict[str, list[str]]] = {}
    for pdk in pdks:
        if rule in pdk.rules:
            text, _, kind = describe(rule, pdk.rules[rule]).partition("\n\n")
            said.setdefault(kind, {}).setdefault(text, []).append(pdk.name)
    if not said:
        raise UnknownNameError("rule", rule, {*always, *known.values()})
    for kind, texts in said.items():  # the same kind of check is documented once
        for text, names in texts.items():
            click.echo(f"[{', '.join(names)}] {text}")
        click.echo(f"\n{kind}\n")
    return 0
