"""`layoutgen pdk`, `layoutgen pdk rules NAME` and `layoutgen pdk deck NAME`."""

from __future__ import annotations

from pathlib import Path

import click


@click.group("pdk", invoke_without_command=True, short_help="List processes, or the rules of one.")
@click.pass_context
def command(ctx: click.Context) -> int:
    """List every process with its flows and masks."""
    if ctx.invoked_subcommand is not None:
        return 0
    from layoutgen import discover

    for name in discover.pdk_names():
        pdk = discover.pdk(name)
        click.echo(f"{name:12} {pdk.title}")
        for flow_name, flow in pdk.flows.items():
            click.echo(f"{'':12} flow {flow_name}: plating current {flow.current}, "
                       f"masks {', '.join(pdk.masks_of(flow_name))}, {len(pdk.rules_of(flow_name))} rules")  # fmt: skip
    click.echo("\nlayoutgen pdk rules NAME lists the rules of one, layoutgen pdk deck NAME writes them for KLayout")
    return 0


@command.command("rules", short_help="List the rules of a process.")
@click.argument("name")
def rules(name: str) -> int:
    """List the rules of process NAME, each with its limit, reason and source. Exit code 2 where one cannot run."""
    from layoutgen import discover
    from layoutgen.drc.run import text, validate

    pdk = discover.pdk(name)
    for rule_name, rule in pdk.rules.items():
        click.echo(f"{rule_name:10} {text(rule_name, rule)}")
    problems = validate(pdk)
    for problem in problems:
        click.echo(f"error: {problem}", err=True)
    return 2 if problems else 0


@command.command("deck", short_help="Write the rules of a process as a script for KLayout's DRC.")
@click.argument("name")
@click.option("--flow", help="One of the process's flows, where it has several.")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True,
              help="The file: .lydrc (a macro in KLayout's menu) or .drc (the script alone).")  # fmt: skip
def deck(name: str, flow: str | None, output: Path) -> int:
    """Write the rules of process NAME as a script for KLayout's DRC, which runs alone and finds the same violations.

    \b
    klayout -b -r x.lydrc -rd input=a.gds -rd report=a.lyrdb [-rd topcell=CELL]

    Or put it where KLayout looks for macros, in the folder `drc`: its menu then runs it on the layout that is shown.
    """
    from layoutgen import discover, gds
    from layoutgen.drc import deck

    if output.suffix not in deck.ENDINGS:
        raise click.BadParameter(f"{str(output)!r} must end in {' or '.join(deck.ENDINGS)}", param_hint="--output")
    pdk = discover.pdk(name)
    flow_name, _ = pdk.flow(flow)
    gds.write_text(output, (deck.macro if output.suffix == ".lydrc" else deck.script)(pdk, flow_name))
    missing, asked = deck.not_expressed(pdk, flow_name), len(pdk.rules_of(flow_name))
    click.echo(f"{output}: {asked - len(missing)} of the {asked} rules of {pdk.name} for flow {flow_name}")
    for rule, why in missing.items():
        click.echo(f"  {rule} not checked: {why}")
    return 0
