"""`sentinel explain`: the objects and the API server's word, read with a person's own rights, put together.

user or alert --> questions --> SubjectAccessReview --.
                      |                                +--> which binding, what closes it
                  RBAC objects --> paths -------------'         |
                                        audit log, ledger --> was it used?
"""

import gzip
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from sentinel.clients import alert_list, endpoint, network_objects, rbac_objects
from sentinel.clients.clock import Clock
from sentinel.clients.endpoint import Endpoint
from sentinel.clients.kube import Connection
from sentinel.clients.rbac_objects import Picture
from sentinel.core import alerted
from sentinel.core.alerted import Alerted
from sentinel.core.api import audit, ledger, plan, spoken
from sentinel.core.api.audit import Sifted, Wanted
from sentinel.core.api.ledger import Ledger
from sentinel.core.api.question import CLUSTER, Question
from sentinel.core.api.rbac import ANONYMOUS, Who, who_of_group
from sentinel.core.api.remedy import closings
from sentinel.core.asked import CROSSTALK
from sentinel.core.net import netpol_crossing
from sentinel.core.net.crossing import Crossing
from sentinel.core.net.netpol_remedy import shuttings
from sentinel.errors import OwnFault
from sentinel.reports.explain import Answer, Explained, Report
from sentinel.reports.explain_net import Crossed

_SECONDS = 30.0
"""For one request: a list of thousands of bindings may take its time."""
_SLACK = 3600.0
"""Seconds around the window for which the ledger is read: a line may tell of an hour."""
_LONGEST_LINE = 16 * 1024 * 1024
_MOST_PLANNED = 12
_OWN_NAME = ":sentinel"
_NO_GRANT = "the gateway mixes answers up, which no binding and no policy lets it do"
_NO_POLICY = "this reading covers net/tcp, net/udp and net/http, which are asked of pods"


@dataclass(frozen=True, slots=True)
class Case:
    """One identity and its questions; the window in wall seconds.

    `through`: bindings that a page names and that may be gone by now, in the API server's words. `crossings`
    in place of questions where it is about the network, `measured` while it was found open and not shut since.
    """

    title: str
    who: Who
    questions: tuple[Question, ...]
    since: float | None = None
    until: float | None = None
    through: tuple[str, ...] = ()
    crossings: tuple[Crossing, ...] = ()
    is_network: bool = False
    measured: bool = False


@dataclass(frozen=True, slots=True)
class Log:
    """The audit log to look through, and what it is compared with. Files, `-` for standard input."""

    path: str
    ledgers: tuple[Path, ...] = ()
    own: tuple[str, ...] = ()


async def explain(cases: Sequence[Case], found: Endpoint, log: Log | None) -> Report:
    """Ask, read, and look through the log. Raises ClientError when we could not even ask."""
    clock = Clock()
    held = found.own.read()
    bearer = held.text if held is not None else None
    async with AsyncExitStack() as stack:
        connection = await stack.enter_async_context(Connection(found.url, found.trust(), _SECONDS, clock))
        crossed = [await _crossed(connection, bearer, case) for case in cases if case.is_network]
        asked = [case for case in cases if not case.is_network]
        explained = [await _explained(connection, bearer, case) for case in asked]
    if log is None:
        return Report((*explained, *crossed))
    report = _searched(asked, explained, log)
    return replace(report, cases=(*report.cases, *crossed))


async def _crossed(connection: Connection, bearer: str | None, case: Case) -> Crossed:
    """The network's answer: what the policies say of these packets, beside what was measured."""
    found = Crossed(case.title, case.crossings, case.measured)
    if not case.crossings:
        return replace(found, note=_NO_POLICY)
    asker, target = spoken.home(case.who.user), case.crossings[0].target
    if not asker:
        return replace(found, note="who asked is no account of a namespace: give --user")
    seen = await network_objects.picture(connection, bearer, (asker, target))
    found = replace(found, foreign=seen.foreign, unseen=seen.unseen, missing=seen.missing)
    if seen.missing:
        return found
    said = netpol_crossing.readings(case.crossings, seen.pods, asker, seen.policies, seen.namespaces)
    nobody = "" if said else f"no pods of sentinel were found in {asker} and in {target} that speak to each other so"
    return replace(found, readings=said, shuttings=shuttings(said), note=nobody)


async def _explained(connection: Connection, bearer: str | None, case: Case) -> Explained:
    spaces = [question.asked_namespace for question in case.questions if question.asked_namespace]
    answers: list[Answer] = []
    # Once more when the two do not agree: a binding may have gone between the one look and the other.
    for _ in range(2):
        seen = await rbac_objects.picture(connection, bearer, spaces)
        answers = [await _answer(connection, bearer, case.who, seen, question) for question in case.questions]
        if all(answer.allowed in (None, bool(answer.paths)) for answer in answers):
            break
    paths = dict.fromkeys(path for answer in answers for path in answer.paths)
    return Explained(case.title, case.who, tuple(answers), closings(seen.rbac, paths), seen.missing)


async def _answer(connection: Connection, bearer: str | None, who: Who, seen: Picture, question: Question) -> Answer:
    decision = await rbac_objects.decide(connection, bearer, who, question)
    return Answer(question, decision.allowed, decision.reason, seen.rbac.paths(who, question))


def _searched(cases: Sequence[Case], explained: Sequence[Explained], log: Log) -> Report:
    bounds = [(case.since, case.until) for case in cases]
    kept, notes = read_ledger(log.ledgers, bounds) if log.ledgers else (None, ())
    sieves = [Sifted(_wanted(case, seen, kept, log.own), kept) for case, seen in zip(cases, explained, strict=True)]
    audit.sift(lines_of(log.path), sieves)
    rows = zip(explained, sieves, strict=True)
    return Report(tuple(replace(seen, used=sieve) for seen, sieve in rows), notes)


def _wanted(case: Case, seen: Explained, kept: Ledger | None, own: Sequence[str]) -> Wanted:
    spaces = {question.asked_namespace for question in case.questions}
    known = {user for user in (*(kept.users if kept else ()), case.who.user) if user.endswith(_OWN_NAME)}
    return Wanted(
        users=frozenset({case.who.user} - {""}),
        reasons=tuple({*case.through, *(path.text for answer in seen.answers for path in answer.paths)}),
        spaces=frozenset() if None in spaces else frozenset(space for space in spaces if space),
        since=case.since,
        until=case.until,
        own=frozenset((*known, *own)),
    )


def read_ledger(
    paths: Sequence[Path], bounds: Sequence[tuple[float | None, float | None]]
) -> tuple[Ledger, tuple[str, ...]]:
    """The journals' lines about what was asked, as far as a window needs them; and what to know about them."""
    kept = Ledger()
    for path in paths:
        for text in lines_of(str(path)):
            if b'"event":"asked"' in text and not _take(kept, text, bounds):
                kept.broken += 1
    notes = [f"{kept.broken} lines of the ledger are broken"] if kept.broken else []
    if kept.since is None:
        notes.append("the ledger holds nothing about this time")
    return kept, tuple(notes)


def _take(kept: Ledger, text: bytes, bounds: Sequence[tuple[float | None, float | None]]) -> bool:
    try:
        found = json.loads(text)
        at = datetime.fromisoformat(found["at"]).timestamp()
    except (ValueError, KeyError, TypeError, RecursionError):
        return False
    line = ledger.parse(found, at)
    if line is None:
        return False
    # A form is written once a day: it is needed even where its line is not.
    near = any((since or 0.0) - _SLACK <= at and line.since <= (until or at) + _SLACK for since, until in bounds)
    if near:
        kept.take(line)
    else:
        kept.forms[line.process].update(line.forms)
    return True


def lines_of(path: str) -> Iterator[bytes]:
    """Line by line; a line without end comes in pieces. Raises OwnFault."""
    try:
        if path == "-":
            yield from _pieces(sys.stdin.buffer)
        elif path.endswith(".gz"):
            with gzip.open(path) as packed:
                yield from _pieces(packed)
        else:
            with Path(path).open("rb") as plain:
                yield from _pieces(plain)
    except (OSError, EOFError) as error:
        raise OwnFault(f"{path}: {getattr(error, 'strerror', None) or type(error).__name__}") from error


def _pieces(file: Any) -> Iterator[bytes]:
    while piece := file.readline(_LONGEST_LINE):
        yield piece


async def way_in(kubeconfig: str | None, context: str | None, environ: Mapping[str, str]) -> Endpoint:
    """The API server as this person reaches it: by kubeconfig, else as the pod it runs in. Raises OwnFault."""
    inside = endpoint.in_pod(environ)
    if kubeconfig is None and context is None and inside is not None:
        return inside
    from sentinel.clients.kubeconfig import Kubeconfig  # noqa: PLC0415  # costs 70 MiB

    path = kubeconfig or endpoint.usual_kubeconfig(environ)
    return await Kubeconfig(path, context, Clock()).load(certificates=True)


async def cases_of_alerts(source: str, config: Path | None, user: str = "") -> tuple[Case, ...]:
    """One for each breach in a list of alerts. `user`: for those that do not say who. Raises ClientError."""
    told: dict[tuple[str, str, str, str], Alerted] = {}
    for alert in alerted.alerts(await alert_list.read(source)):
        key = (alert.tenant, alert.identity, alert.target, alert.check)
        # One breach may come twice, pushed and by rule; the pushed one knows more.
        told[key] = max(told.get(key, alert), alert, key=lambda one: (bool(one.user), len(one.questions)))
    return tuple(_case_of(alert, config, user) for alert in told.values())


def _case_of(alert: Alerted, config: Path | None, user: str) -> Case:
    title = f"{alert.tenant}/{alert.identity} at {alert.target or '?'} ({alert.check})"
    since = alert.closed_before if alert.closed_before is not None else alert.since
    if alert.check == CROSSTALK:
        return Case(f"{title}: {_NO_GRANT}", Who(""), (), since, alert.ends)
    try:
        who = _who_of(alert, config, user)
    except OwnFault as error:
        return Case(f"{title}: {error}", Who(""), (), since, alert.ends)
    if alert.is_network:
        return crossing_case(f"{title}: {who.user}", who, alert.crossings, measured=alert.ends is None)
    named, asked = who.user or who.groups[0], alert.questions or planned(alert)
    return Case(f"{title}: {named}", who, asked, since, alert.ends, alert.through)


def _who_of(alert: Alerted, config: Path | None, user: str) -> Who:
    if alert.groups:
        return who_of_group(alert.groups[0])
    named = alert.user or user
    return spoken.who(named) if named else who_in(config, alert.tenant, alert.identity)


def crossing_case(title: str, who: Who, crossings: tuple[Crossing, ...], *, measured: bool = False) -> Case:
    """A case about the network."""
    return Case(title, who, (), crossings=crossings, is_network=True, measured=measured)


def between(case: Case, since: float | None, until: float | None) -> Case:
    """With another window, where one was given."""
    return replace(case, since=case.since if since is None else since, until=case.until if until is None else until)


def planned(alert: Alerted) -> tuple[Question, ...]:
    """What is asked by plan of this check there: for an alert that does not tell its questions."""
    system = () if alert.target in ("", CLUSTER) else (alert.target,)
    stranger = alert.identity == "anonymous"
    accounts, anonymous = (("self",), (alert.identity,)) if stranger else ((alert.identity,), ())
    scope = plan.Scope(alert.tenant, ((alert.tenant, ()),), system, accounts, anonymous, 10, 120, 1800, 2, 1e6)
    asked = plan.make(scope).questions
    wanted = (alert.identity, alert.check, alert.target)
    return tuple(q for q in asked if (q.identity, q.check, q.target) == wanted)[:_MOST_PLANNED]


def who_in(config: Path | None, tenant: str, identity: str) -> Who:
    """A tenant's identity by the configuration. Raises OwnFault when that does not say.

    Only names are read: whoever has a copy of the file on a desk has not the pod's mounts and variables.
    """
    if identity == "anonymous":
        return ANONYMOUS
    if identity.startswith("group:"):
        return who_of_group(identity.removeprefix("group:"))
    tenants = _tenants(config)
    home = next((str(row["namespaces"][0]) for row in tenants if row.get("name") == tenant and row["namespaces"]), "")
    namespace, _, account = ("" if identity == "self" else identity).rpartition("/")
    if not namespace and not home:
        raise OwnFault(f"tenant {tenant}: not in the configuration, so nobody knows its accounts: give --user")
    return spoken.who(f"system:serviceaccount:{namespace or home}:{account or 'sentinel'}")


def _tenants(config: Path | None) -> list[dict[str, Any]]:
    if config is None:
        return []
    try:
        found = yaml.safe_load(config.read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise OwnFault(f"{config}: {type(error).__name__}, expected a configuration with tenants") from error
    rows = found.get("tenants") if isinstance(found, dict) else None
    return [row for row in rows or () if isinstance(row, dict) and isinstance(row.get("namespaces"), list)]
