"""Every rule that the chart can render: each way to install it that changes one."""

from collections.abc import Iterator
from typing import Any

from tests.alerts import rules
from tests.alerts.rules import Rule
from tests.alerts.test_conventions import SHIPPED

WANTED = {"from": "team-a", "to": "team-b", "verbs": ["get"], "resources": ["configmaps"], "reason": "r", "owner": "x"}
EXCEPTION: dict[str, Any] = {"isolation": {"allow": [WANTED | {"until": "1970-01-01"}]}}


def every_rule() -> Iterator[tuple[str, Rule]]:
    """With its file; the fullest installation first."""
    opaque = rules.rendered(disclosure="opaque", witness={"enabled": True}, **rules.NETWORK)
    allowing = rules.rendered(config=EXCEPTION)
    for files in (*reversed(SHIPPED), opaque, allowing):
        for name, text in rules.rule_files(files).items():
            yield from ((name, rule) for rule in rules.in_file(text))
