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

from sentinel.core import spoken
from sentinel.core.page import Alert
from sentinel.core.question import CLUSTER, Question
from sentinel.core.rbac import ANONYMOUS

MOST_ALERTS = 50
MOST_QUESTIONS = 20
_USER = re.compile(r"system:serviceaccount:[a-z0-9-]{1,63}:[a-z0-9.-]{1,253}")
_LET_IN = re.compile(r"Let in: (.{1,2000}?)\. (?=Proven|Before|Evidence|The API|It ends)")
_COMMAND = re.compile(r"kubectl auth can-i .{1,1000}")
_THROUGH = re.compile(
    r'allowed by ((?:Cluster)?RoleBinding "[^"]{1,500}" of (?:Cluster)?Role "[^"]{1,300}"'
    r' to (?:User|Group|ServiceAccount) "[^"]{1,600}")'
)
_CLOSED = re.compile(r"Proven closed at (\S{1,40}),")


@dataclass(frozen=True, slots=True)
class Alerted:
    """One alert. `user` and `questions` are empty where it does not tell; times are wall seconds.

    `through`: the binding in the API server's words, which may be gone by now. `closed_before`: when it
    was last proven shut; `ends`: None while it stands.
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


def alerts(body: Any) -> tuple[Alerted, ...]:
    """The breaches in a list of alerts, or in a webhook's message; each once."""
    rows = body.get("alerts") if isinstance(body, dict) else body
    found = [_alert(row) for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return tuple(dict.fromkeys(alert for alert in found if alert is not None))[:MOST_ALERTS]


def _alert(row: Mapping[str, Any]) -> Alerted | None:
    labels = _texts(row.get("labels"))
    if labels.get("alertname") != Alert.BREACH.value:
        return None
    tenant, identity, target, check = (labels.get(key, "") for key in ("tenant", "identity", "target", "check"))
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
    )


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
