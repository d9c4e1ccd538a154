"""The test alert of `sentinel notify test`: it says that it is a test, and takes the way of a real page.

Its name begins as all of ours do, so the shipped route takes it by its severity. Its number is drawn at random and
stands in a label that the route groups by: each test is a group of its own and waits for none, and whoever opens an
incident for a group opens another one.
"""

from collections.abc import Mapping

from sentinel.core.page import PATH, Page, rfc3339

NAME = "SentinelNotifyTest"
LABEL = "drill"
"""Whatever has it is no breach."""
_CLOCKS = 1.0
"""Seconds that two clocks may differ by without a test that waits."""


def number(drawn: int) -> str:
    """The word by which one test is told from another."""
    return f"notify-test-{drawn:08x}"


def labels(cluster: str, namespace: str, severity: str, word: str) -> dict[str, str]:
    """Those of a page, as far as they are known; `word` is the number's."""
    whole = {"alertname": NAME, "severity": severity, "cluster": cluster, "namespace": namespace, LABEL: word}
    return {name: value for name, value in whole.items() if value} | {"path": PATH}


def page(labels: Mapping[str, str], now: float, waits: float) -> Page:
    """The alert. `now` in wall seconds. `waits`: the group_wait of its routes in seconds, which it does not wait for.

    Alertmanager tells at once what began longer ago than that.
    """
    annotations = {
        "summary": "This is a TEST of a receiver, and no breach.",
        "description": "Nothing is wrong, and nobody has to do anything. Somebody ran `sentinel notify test` at "
        f"{rfc3339(now)} to see whether this receiver is told; it ends by itself.",
    }
    return Page(labels, annotations, now - waits - _CLOCKS)
