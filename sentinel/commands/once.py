"""`sentinel once`: one round now, of everything or of one check; of a gateway or of a page, one question."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from sentinel.commands.common import DEFAULT_CONFIG, AsWhat, Config, Output, ask, end, load, run_async, wrong

if TYPE_CHECKING:
    from sentinel.settings import Settings


def once(
    name: Annotated[str, typer.Argument(help="Only this check, e.g. api/secrets, gateway/NAME or page/NAME.")] = "",
    config: Config = DEFAULT_CONFIG,
    output: AsWhat = Output.TEXT,
) -> None:
    """One round now: every question asked and judged."""
    from sentinel import logs
    from sentinel.core.api import resources
    from sentinel.core.net import crossing

    kind, checks = name.partition("/")[0], (*resources.CHECKS, *crossing.CHECKS)
    if name and kind not in {"gateway", "page"} and name not in checks:
        wrong(f"check {name!r} is unknown, expected one of {', '.join(checks)}")
    settings = load(config)
    logs.configure("error", "console")
    if kind == "gateway":
        _gateway(settings, name, output)
    if kind == "page":
        _page(settings, name, output)
    if name in crossing.CHECKS:
        _network(settings, name, output)
    _api(settings, name, output)


def _api(settings: "Settings", name: str, output: Output) -> NoReturn:
    from sentinel.reports import outcome
    from sentinel.tools.once import ask_everything

    seen = run_async(ask_everything(settings, os.environ, name))
    end(seen, outcome.text(seen), output)


def _network(settings: "Settings", name: str, output: Output) -> NoReturn:
    from sentinel.tools import once_network

    seen = ask(once_network.ask(settings, name))
    end(seen, once_network.text(seen), output)


def _gateway(settings: "Settings", name: str, output: Output) -> NoReturn:
    from sentinel.reports import completion
    from sentinel.tools import once_gateway

    _expect(name, once_gateway.names(settings), "no gateways are configured")
    seen = ask(once_gateway.ask(settings, name))
    end(seen, completion.text(seen), output)


def _page(settings: "Settings", name: str, output: Output) -> NoReturn:
    from sentinel.tools import once_page

    _expect(name, once_page.names(settings), "no gateway has a page")
    seen = ask(once_page.look(settings, name))
    end(seen, once_page.text(seen), output)


def _expect(name: str, known: Sequence[str], none: str) -> None:
    if name not in known:
        wrong(f"{name!r} is unknown, expected one of {', '.join(known) or f'none: {none}'}")
