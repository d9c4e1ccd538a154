"""A page about a breach, read back: from Alertmanager's API, or from what it posts to a webhook.

It came from Alertmanager, so anybody who may push there wrote it: it says what to look for, and
nothing that it says is believed.
"""

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sentinel.core.api import spoken
from sentinel.core.api.question import CLUSTER, Question
from sentinel.core.api.rbac import ANONYMOUS
from sentinel.core.net.crossing import Crossing, Family, Path, Protocol
from sentinel.core.net.netpol_crossing import crossings_of
from sentinel.core.page import Alert

MOST_ALERTS = 50
MOST_QUESTIONS = 20
_USER = re.compile(r"system:serviceaccount:[a-z0-9-]{1,63}:[a-z0-9.-]{1,253}")
_LET_IN = re.compile(r"Let in: (.{1,2000}?)\. (?=Proven|Before|Evidence|The API|It ends)")
_COMMAND = re.compile(r"kubectl auth can-i .{1,1000}")
_THROUGH = re.compile(
    r'allowed by ((?:Cluster)?RoleBinding "[^"]{1,500}" of (?:Cluster)?Role "[^"]{1,300}"'
    r' to (?:User|Group|ServiceAccount) "[^"]{1,600}")'
)
_REACHED = re.compile(r"\breach (tcp|udp|http) (pod|service|kept) (v4|v6)\b")
_CLOSED = re.compile(r"Proven closed at (\S{1,40}),")


UNATTRIBUTED = "SentinelUnattributed"
"""Somebody answered there, and nobody knows who: a page about the network that is asked the same."""


@dataclass(frozen=True, slots=True)
class Alerted:
    """One alert. `user` and `questions` are empty where it does not tell; times are wall seconds.

    `through`: the binding in the API server's words, which may be gone by now. `closed_before`: when it
    was last proven shut; `ends`: None while it stands. `crossings`: what a page about the network asks.
    """

    tenant: str
    identity: str
    target: str
    check: str
    user: str = ""
    groups: tuple[str, ...] = ()
    questions: tuple[Question, ...] = ()
    through: tuple[str, ...] = ()
    since: float | None = None
    closed_before: float | None = None
    ends: float | None = None
    crossings: tuple[Crossing, ...] = ()

    @property
    def is_network(self) -> bool:
        """Whether policies decide about it, not bindings."""
        return self.check.startswith("net/")


def alerts(body: Any) -> tuple[Alerted, ...]:
    """The breaches in a list of alerts, or in a webhook's message; each once."""
    rows = body.get("alerts") if isinstance(body, dict) else body
    found = [_alert(row) for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return tuple(dict.fromkeys(alert for alert in found if alert is not None))[:MOST_ALERTS]


def _alert(row: Mapping[str, Any]) -> Alerted | None:
    labels = _texts(row.get("labels"))
    if labels.get("alertname") not in (Alert.BREACH.value, UNATTRIBUTED):
        return None
    tenant, identity, target, check = (labels.get(key, "") for key in ("tenant", "identity", "target", "check"))
    identity = identity or "self"
    text = "\n".join(_texts(row.get("annotations")).values())
    user = _USER.search(text)
    closed = _CLOSED.search(text)
    return Alerted(
        tenant,
        identity,
        target,
        check,
        ANONYMOUS.user if identity == "anonymous" else user[0] if user else "",
        (identity.removeprefix("group:"),) if identity.startswith("group:") else (),
        tuple(dict.fromkeys(_questions(text, identity, target or CLUSTER)))[:MOST_QUESTIONS],
        tuple(dict.fromkeys(_THROUGH.findall(text)))[:MOST_QUESTIONS],
        _moment(row.get("startsAt")),
        _moment(closed[1]) if closed else None,
        _end(row),
        tuple(_crossings(text, identity, target, check)),
    )


def _crossings(text: str, identity: str, target: str, check: str) -> Iterator[Crossing]:
    """As the page lists them; where it lists none, all that this check asks there."""
    told = [
        Crossing(identity, target, Protocol(spoken), Family(family), Path(path))
        for spoken, path, family in dict.fromkeys(_REACHED.findall(text))
    ]
    yield from [one for one in told if one.check == check] or crossings_of(check, identity, target)


def _questions(text: str, identity: str, target: str) -> Iterator[Question]:
    for line in _COMMAND.findall(text):
        if (asked := _command(line, identity)) is not None:
            yield asked
    for listed in _LET_IN.findall(text):
        for part in listed.split("; "):
            if not part.startswith("and ") and (asked := spoken.told(identity, part, target)) is not None:
                yield asked


def _command(line: str, identity: str) -> Question | None:
    """The command with which a person sees the same decision."""
    try:
        words = shlex.split(line)[3:]
    except ValueError:
        return None
    namespace = words[words.index("-n") + 1] if "-n" in words[:-1] else None
    plain = [word for word in words if not word.startswith("-") and word != namespace]
    sub = next((word.partition("=")[2] for word in words if word.startswith("--subresource=")), "")
    return spoken.question(identity, plain[0], plain[1], namespace, sub) if len(plain) >= 2 else None


def _end(row: Mapping[str, Any]) -> float | None:
    """Alertmanager sets an end in the future for what still stands."""
    status = row.get("status")
    resolved = status == "resolved" if isinstance(status, str) else None
    return _moment(row.get("endsAt")) if resolved else None


def _texts(value: Any) -> dict[str, str]:
    return {k: v for k, v in value.items() if isinstance(v, str)} if isinstance(value, dict) else {}


def _moment(value: Any) -> float | None:
    try:
        at = datetime.fromisoformat(value).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
    return at if at > 0 else None
