"""The page: what the one who is woken gets to read, as a value.

    Record* --learn--> Case --breach_page--> Page --body--> Alertmanager

A page is about a series, not about a question: ten questions let in through one binding are one
alert that lists the first few. Labels are those of the rule about the same thing, but for `path`,
so that Alertmanager puts both into one group and shows one.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from urllib.parse import quote_plus

from sentinel.core.api.question import CLUSTER
from sentinel.core.api.reply import clean
from sentinel.core.asked import CROSSTALK, GATEWAY, Asked, is_network
from sentinel.core.record import Record, Series, series_of
from sentinel.core.standing import Breach
from sentinel.core.verdict import Reason

PATH = "push"
WITNESS = "witness"
"""Who pages about itself; no tenant can be called so."""
QUESTIONS_SHOWN = 5
"""More are counted: who is woken wants the first command, not the list."""
QUESTIONS_KEPT = 50
"""Per series. The trip-wire asks what a Role names, and a Role may name thousands of things."""
MOST_TEXT = 2500
"""Characters of an annotation; PagerDuty and Slack cut at about 1 and 3 thousand."""


class Alert(StrEnum):
    """What is pushed; each has a rule of the same name."""

    BREACH = "SentinelIsolationBreach"  # a tenant is let in where it must be denied
    IDENTITY = "SentinelWrongIdentity"  # a sentinel asks as somebody else
    GATEWAY_DOWN = "SentinelGatewayDown"  # a gateway takes no connection
    FAILOVER_SLOW = "SentinelFailoverSlow"  # users wait longer than a failover may take
    UNGRACEFUL = "SentinelUngracefulError"  # users read errors that nobody should read
    TRUNCATED = "SentinelSilentTruncation"  # users get half an answer that looks whole
    PAGE_PATH = "SentinelPagePathBroken"  # the page drill came late, or not at all
    DRILL = "SentinelPageDrill"  # no breach: the page drill itself


_SUMMARY = {
    Alert.BREACH: "A tenant is let in where it must be denied.",
    Alert.IDENTITY: "A sentinel asks as somebody else.",
    Alert.GATEWAY_DOWN: "An LLM gateway takes no connection.",
    Alert.FAILOVER_SLOW: "Users wait for an answer longer than a failover may take.",
    Alert.UNGRACEFUL: "Users read errors that nobody should read.",
    Alert.TRUNCATED: "Users get half an answer that looks whole.",
    Alert.PAGE_PATH: "A way that pages take is broken.",
    Alert.DRILL: "This is a drill of the page path, and no breach.",
}
_BOARD = {
    Alert.BREACH: "isolation",
    Alert.IDENTITY: "self",
    Alert.GATEWAY_DOWN: "gateways",
    Alert.FAILOVER_SLOW: "gateways",
    Alert.UNGRACEFUL: "gateways",
    Alert.TRUNCATED: "gateways",
    Alert.PAGE_PATH: "paging",
    Alert.DRILL: "paging",
}
"""The dashboard of alerts/dashboards that shows it; the rules link to the same."""
_OF_GATEWAY = {
    Alert.GATEWAY_DOWN: "Nobody who asked gateway {gateway} got as far as an answer since {since}: no name, no "
    "connection, or no TLS. That is the gateway itself, whatever its providers do. It ends with anything that comes "
    "from it.",
    Alert.FAILOVER_SLOW: "Whoever asked gateway {gateway} when its provider failed, since {since}, waited beyond the "
    "limit of {within:g} s. It ends five minutes after three good answers in a row.",
    Alert.UNGRACEFUL: "Gateway {gateway} gave three errors within five minutes, the first at {since}, that are neither "
    "the agreed message nor an error for programs. It ends when they are fewer and something better came since.",
    Alert.TRUNCATED: "Two answers of gateway {gateway} within five minutes, the first at {since}, had every mark of a "
    "success, and their end was missing. It ends when they are fewer and a whole answer came since.",
}

# Somebody will paste the command into a shell, and whoever writes a Role chooses the names in it.
_HARMLESS = re.compile(r"[A-Za-z0-9_.:/@%+=,*-]{0,253}")


@dataclass(frozen=True, slots=True)
class Party:
    """A tenant, as far as a page names it."""

    name: str
    namespaces: tuple[str, ...]
    owner: str = ""
    contact: str = ""


@dataclass(frozen=True, slots=True)
class Sender:
    """Who pages. `namespace` is the release's; in the shadow nobody is woken."""

    cluster: str
    namespace: str
    tenant: str
    parties: tuple[Party, ...] = ()
    shadow: bool = False
    runbooks: str = "alerts/runbooks"
    dashboards: str = "/d"

    def party(self, name: str) -> Party | None:
        """The tenant of this name."""
        return next((party for party in self.parties if party.name == name), None)

    def owner_of(self, namespace: str) -> Party | None:
        """The tenant whose namespace this is."""
        return next((party for party in self.parties if namespace in party.namespaces), None)


@dataclass(frozen=True, slots=True)
class Case:
    """All that is known of one open series. `since`: the first evidence, wall seconds.

    `breaches` are those of the questions that stand now; of a case without any nothing is known
    but that it is open.
    """

    series: Series
    since: float
    user: str = ""
    breaches: Mapping[Asked, Breach] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Page:
    """One alert, as Alertmanager knows it. `starts_at`: the first evidence, wall seconds."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_at: float


def learn(case: Case | None, record: Record) -> Case | None:
    """The case after one more record of its series; None when there is nothing to tell."""
    breach, question = record.standing.breach, record.question
    known = dict(case.breaches) if case is not None else {}
    if breach is None:
        # The last one stays: the series is open until all of it is proven shut.
        if case is None or len(known) <= 1:
            return case
        known.pop(question, None)
        return replace(case, breaches=known)
    if question in known or len(known) < QUESTIONS_KEPT:
        known[question] = breach
    since = breach.since if case is None else min(case.since, breach.since)
    return Case(series_of(question), since, record.user, known)


def breach_page(sender: Sender, case: Case) -> Page:
    """The page about an open series."""
    series = case.series
    labels = {"target": series.target, "check": series.check, "identity": series.identity}
    annotations = _links(sender, Alert.BREACH, series.target)
    victim = sender.owner_of(series.target)
    if victim is not None:
        annotations |= {"target_owner": victim.owner, "target_contact": victim.contact}
    annotations["description"] = _breach_text(sender.tenant, case)
    return _page(sender, Alert.BREACH, labels, annotations, case.since)


def identity_page(sender: Sender, identity: str, detail: str, since: float) -> Page:
    """The page about an identity that is somebody else; `detail` is whoami's word."""
    annotations = _links(sender, Alert.IDENTITY)
    annotations["description"] = (
        f"The API server calls identity {identity} of tenant {sender.tenant} by another name than "
        f"the expected one, since {rfc3339(since)}. Nothing it is told says anything about this "
        "tenant." + (f" It says: {clean(detail)}." if detail else "")
    )
    return _page(sender, Alert.IDENTITY, {"identity": identity}, annotations, since)


def gateway_page(sender: Sender, alert: Alert, gateway: str, since: float, within: float) -> Page:
    """The page about a gateway, which is nobody's in particular. `within`: seconds that a failover may take."""
    nobodys = replace(sender, tenant="")
    annotations = {
        **_where(sender, alert, f"var-gateway={quote_plus(gateway)}"),
        "description": _OF_GATEWAY[alert].format(gateway=gateway, since=rfc3339(since), within=within),
    }
    return _page(nobodys, alert, {"gateway": gateway}, annotations, since)


def page_path_page(sender: Sender, broken: str, missing: str, since: float) -> Page:
    """The page about a way that is `broken`, by the other one. `missing`: where the drill was not seen."""
    annotations = _where(sender, Alert.PAGE_PATH)
    annotations["description"] = (
        f"The page drill by the way {broken} has failed twice in a row, since {rfc3339(since)}. {clean(missing, 800)} "
        "Real pages that go this way may come late, or never."
    )
    return _page(replace(sender, tenant=""), Alert.PAGE_PATH, {"broken": broken}, annotations, since)


def drill_page(sender: Sender, labels: Mapping[str, str], annotations: Mapping[str, str], at: float) -> Page:
    """The page of the drill itself, with the labels of a breach, and those that tell it from one."""
    usual = {"tenant": WITNESS, "target": sender.namespace, "check": "page-path", "identity": "self"}
    described = "Nothing is open. The witness sends this to see that pages arrive, and takes it back."
    links = _where(sender, Alert.DRILL) | {"description": described}
    return _page(sender, Alert.DRILL, {**usual, **labels}, {**links, **annotations}, at)


def passed_on(sender: Sender, alert: Alert, series: Series, told: str, since: float, cause: str = "") -> Page:
    """The page on a tenant's own word: labels and links are ours, and of its text only the description.

    `cause`: what the witness itself knows of the binding that lets them in.
    """
    labels = {name: value for name, value in series._asdict().items() if value}
    annotations = _links(sender, alert, series.target)
    victim = sender.owner_of(series.target)
    if victim is not None:
        annotations |= {"target_owner": victim.owner, "target_contact": victim.contact}
    texts = [clean(told, MOST_TEXT - 500), "Told by that tenant's own sentinel; the witness asks the same itself."]
    annotations["description"] = " ".join(text for text in (clean(cause, 400), *texts) if text)
    return _page(sender, alert, labels, annotations, since)


def body(page: Page, ends_at: float) -> dict[str, Any]:
    """The alert in the form of Alertmanager's API v2. `ends_at` in wall seconds.

    An end in the past resolves it. One before its start would be refused, so it never is.
    """
    return {
        "labels": dict(page.labels),
        "annotations": dict(page.annotations),
        "startsAt": rfc3339(page.starts_at),
        "endsAt": rfc3339(max(ends_at, page.starts_at)),
    }


def rfc3339(at: float) -> str:
    """Wall seconds as people and Alertmanager read them: `2026-11-21T02:43:06.120Z`."""
    text = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def _page(
    sender: Sender,
    alert: Alert,
    labels: dict[str, str],
    annotations: dict[str, str],
    since: float,
) -> Page:
    everywhere = {
        "alertname": alert.value,
        "severity": "none" if sender.shadow else "critical",
        "cluster": sender.cluster,
        "namespace": sender.namespace,
        "tenant": sender.tenant,
        "path": PATH,
    }
    told = {"summary": _SUMMARY[alert], **annotations}
    cut = {name: text[:MOST_TEXT] for name, text in told.items() if text}
    # To Alertmanager an empty label is none; the rule, which cannot set one, has none either.
    return Page({k: v for k, v in (everywhere | labels).items() if v}, cut, since)


def _links(sender: Sender, alert: Alert, target: str = "") -> dict[str, str]:
    query = f"var-tenant={quote_plus(sender.tenant)}"
    if target:
        query += f"&var-target={quote_plus(target)}"
    links = _where(sender, alert, query)
    tenant = sender.party(sender.tenant)
    if tenant is not None:
        links |= {"owner": tenant.owner, "contact": tenant.contact}
    return links


def _where(sender: Sender, alert: Alert, query: str = "") -> dict[str, str]:
    board = f"{sender.dashboards.rstrip('/')}/sentinel-{_BOARD[alert]}"
    return {
        "runbook_url": f"{sender.runbooks.rstrip('/')}/{alert.value}.md",
        "dashboard_url": f"{board}?{query}" if query else board,
    }


def _breach_text(tenant: str, case: Case) -> str:
    check, identity, target = case.series
    if is_network(check):
        return _crossing_text(tenant, case)
    if check == CROSSTALK:
        return _crosstalk_text(tenant, case)
    who = f"identity {identity}" + (f" ({clean(case.user)})" if case.user else "")
    where = "every namespace of the cluster" if target == CLUSTER else f"namespace {target}"
    opening = f"Tenant {tenant}, asking as {who}, is let in in {where} (check {check}), since {rfc3339(case.since)}."
    told = " ".join((opening, *_evidence(case), _CLOSING))
    # On a line of its own, to be copied.
    return told + _command(case)


def _crossing_text(tenant: str, case: Case) -> str:
    """The same of packets: who gets through to whom, how, and what shows it."""
    check, _, target = case.series
    does = _AROUND.get(check, f"Packets of tenant {{}} reach namespace {target}").format(tenant)
    opening = f"{does} (check {check}), since {rfc3339(case.since)}."
    found = sorted(case.breaches.items(), key=lambda known: known[1].since)
    shown = "; ".join(clean(asked.text, 120) for asked, _ in found[:QUESTIONS_SHOWN])
    more = len(found) - QUESTIONS_SHOWN
    told = [opening]
    if found:
        _, first = found[0]
        told += [f"Open: {shown}{f'; and {more} more' if more > 0 else ''}.", _window(first)]
        told.append(_replied(first) if check in _AROUND else crossed(first))
        told += [f"Why: {clean(breach.cause, 300)}." for _, breach in found if breach.cause][:1]
    return " ".join((*told, _NETWORK_CLOSING)) + _command(case)


def _crosstalk_text(tenant: str, case: Case) -> str:
    """The same of a gateway that mixes answers up: whose they were, where that shows, by which request."""
    gateway = case.series.target.removeprefix(GATEWAY)
    opening = f"{reader(tenant)} is given what gateway {gateway} answered somebody else"
    told = [f"{opening} (check {case.series.check}), since {rfc3339(case.since)}."]
    for breach in case.breaches.values():
        code = f"HTTP {breach.code}" if breach.code is not None else "no HTTP status"
        told += [
            f"Evidence: {code}, request {clean(breach.audit_id, 64)}: {clean(breach.place, 400)}.",
            _window(breach),
        ]
    return " ".join((*told, _CROSSTALK_CLOSING)) + _command(case)


def reader(tenant: str) -> str:
    """Who got it, at the beginning of a sentence. The witness asks gateways with a key of its own."""
    return "The witness" if tenant == WITNESS else f"Tenant {tenant}"


def crossed(breach: Breach) -> str:
    """What shows that a packet got through, in a sentence."""
    how = _CROSSED.get(breach.reason, "was answered, and the answer is signed by the beacon there")
    where = f" to {clean(breach.place, 250)}" if breach.place else ""
    number = f"challenge {clean(breach.audit_id, 64)}" if breach.audit_id else "a challenge"
    return f"Evidence: {number}{where} {how}."


def _replied(breach: Breach) -> str:
    code = f", with HTTP status {breach.code}" if breach.code is not None else ""
    return f"Evidence: it was answered{code}; what it said was not read."


_AROUND = {
    "net/node": "Tenant {} may list the pods of a node at its kubelet, without any token",
    "net/cloud": "Tenant {} reaches the cloud's metadata service, where the node's own credentials are",
    "net/dns": "Tenant {} finds names of other tenants in DNS, which are declared private",
}
"""What is around every pod, in the place of a beacon that would sign for what it received."""
_CROSSED = {
    Reason.UNATTRIBUTED: "was connected, by somebody who did not prove who it is",
    Reason.ARRIVED: "arrived, by that beacon's own report; only the answer was cut, so one direction is open",
    Reason.LATE: "was answered while the pod was younger than 10 s, so its policy comes late",
    Reason.KEPT: "was answered on a connection from before, while new ones are denied",
}
_NETWORK_CLOSING = "It ends by proof only: two rounds in which no packet gets through and every control is green."
_CROSSTALK_CLOSING = (
    "It ends by proof only: two answers in a row of that gateway, whole, with our own mark and nobody else's."
)
_CLOSING = "It ends by proof only: two rounds in which the same question is denied."


def _evidence(case: Case) -> list[str]:
    found = sorted(case.breaches.items(), key=lambda known: known[1].since)
    if not found:
        return ["The request and its Audit-Id are in the log of that sentinel."]
    _, first = found[0]
    shown = "; ".join(clean(question.text, 120) for question, _ in found[:QUESTIONS_SHOWN])
    more = len(found) - QUESTIONS_SHOWN
    texts = [
        f"Let in: {shown}{f'; and {more} more' if more > 0 else ''}.",
        _window(first),
        _code(first),
    ]
    cause = next((breach.cause for _, breach in found if breach.cause), "")
    if cause:
        texts.append(f"The API server says why: {clean(cause, 300)}.")
    return texts


def _command(case: Case) -> str:
    if not case.breaches:
        return ""
    question, _ = min(case.breaches.items(), key=lambda known: known[1].since)
    words = (case.user, *question.chosen)
    if not case.user or not all(_HARMLESS.fullmatch(word) for word in words):
        return ""
    line = question.reproduce(case.user)
    return f"\nSee for yourself: {line}" if line else ""


def _window(breach: Breach) -> str:
    """The exposure window: the hole is as old as its evidence, and may be this much older."""
    if breach.closed_before is None:
        return "Before that it was never proven closed."
    older = max(0.0, breach.since - breach.closed_before)
    return (
        f"Proven closed at {rfc3339(breach.closed_before)}, open at {rfc3339(breach.since)}: "
        f"open up to {older:.1f} s longer than known."
    )


def _code(breach: Breach) -> str:
    code = f"HTTP {breach.code}" if breach.code is not None else "no HTTP status"
    how = " (authorised, then stopped by admission)" if breach.reason is Reason.ADMISSION else ""
    audit = f", Audit-Id {clean(breach.audit_id, 64)}" if breach.audit_id else ""
    return f"Evidence: {code}{how}{audit}."
