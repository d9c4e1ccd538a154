"""`sentinel explain`: why an identity is let in, what closes it, and whether it was used."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from sentinel.commands.common import AsWhat, Output, ask, end, wrong


def explain(
    verb: Annotated[str, typer.Argument(help="E.g. list; or reach, for the network.")] = "",
    what: Annotated[
        str,
        typer.Argument(help="RESOURCE[.GROUP][/NAME], e.g. secrets, deployments.apps/web; reach: tcp, udp, http."),
    ] = "",
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Without it: at cluster scope.")] = "",
    subresource: Annotated[str, typer.Option(help="E.g. exec or log.")] = "",
    user: Annotated[str, typer.Option(help="E.g. system:serviceaccount:team-a:sentinel.")] = "",
    group: Annotated[list[str], typer.Option(help="A group they are in, besides those everybody has.")] = [],  # noqa: B006
    tenant: Annotated[str, typer.Option(help="In place of --user, with --config.")] = "",
    identity: Annotated[str, typer.Option(help="Of that tenant: self, default, anonymous, group:NAME ...")] = "self",
    config: Annotated[Path | None, typer.Option("--config", "-c", help="The configuration that names it.")] = None,
    from_alert: Annotated[str, typer.Option(help="URL or file: alerts of Alertmanager's API, or a webhook's.")] = "",
    audit_log: Annotated[str, typer.Option(help="The API server's audit log, - for standard input: was it used?")] = "",
    since: Annotated[str, typer.Option(help="The window: 2026-11-21T02:43:06Z, or 2h for two hours ago.")] = "",
    until: Annotated[str, typer.Option(help="Its end, in the same words.")] = "",
    ledger: Annotated[list[Path], typer.Option(help="A sentinel's journal: what was our own.")] = [],  # noqa: B006
    own: Annotated[list[str], typer.Option(help="A user that nobody but a sentinel is.")] = [],  # noqa: B006
    kubeconfig: Annotated[str | None, typer.Option(help="Yours; as kubectl finds it by default.")] = None,
    context: Annotated[str | None, typer.Option(help="Of that kubeconfig.")] = None,
    output: AsWhat = Output.TEXT,
) -> None:
    """Which binding or network policy lets an identity in, what closes it, whether it was used. Nothing is changed."""
    from sentinel.core.api import spoken
    from sentinel.reports import explain as report
    from sentinel.settings import moment
    from sentinel.tools import explain as joined

    try:
        window = moment.parse(since, datetime.now(UTC)), moment.parse(until, datetime.now(UTC))
    except ValueError as error:
        wrong(f"--since, --until: {error}")
    if bool(from_alert) is bool(verb and what) or not (from_alert or user or tenant or group):
        wrong("expected VERB RESOURCE with --user or --tenant, or --from-alert")
    try:
        reached = spoken.crossings(identity, what, namespace) if verb == "reach" else ()
    except ValueError as error:
        wrong(str(error))

    async def work() -> report.Report:
        if from_alert:
            cases = await joined.cases_of_alerts(from_alert, config, user)
            cases = tuple(joined.between(case, *window) for case in cases)
        else:
            who = joined.who_in(config, tenant, identity) if tenant else spoken.who(user, tuple(group))
            name = who.user or who.groups[0]
            cases = (joined.crossing_case(name, who, reached),)
            if not reached:
                asked = spoken.question(identity, verb, what, namespace or None, subresource)
                cases = (joined.Case(name, who, (asked,), *window),)
        log = joined.Log(audit_log, tuple(ledger), tuple(own)) if audit_log else None
        return await joined.explain(cases, await joined.way_in(kubeconfig, context, os.environ), log)

    seen = ask(work())
    end(seen, report.text(seen), output)
