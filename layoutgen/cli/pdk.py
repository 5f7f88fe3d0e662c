"""`layoutgen pdk` and `layoutgen pdk rules NAME`."""

from __future__ import annotations

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
                       f"masks {', '.join(pdk.masks_of(flow_name))}, {len(pdk.rules)} rules")  # fmt: skip
    click.echo("\nlayoutgen pdk rules NAME lists the rules of one")
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
