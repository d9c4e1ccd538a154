"""The expression of one rule in many situations, each at a moment of its own: no world around it, one promtool for all.

    table = Table("sentinel:blind:proof_timestamp", rules.shipped(witness=True))
    table.row("proven long ago", {'sentinel:proof:timestamp{tenant="a"}': At(-700)}, {'{tenant="a"}': At(-700)})
    table.judge()

What other rules record is given like what is scraped. `for`, labels and annotations are no part of an expression: a
`World` looks at them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.alerts import promtool, rules
from tests.alerts.world import STEP, written


@dataclass(frozen=True)
class At:
    """A time, in seconds after the moment of its row; before it: negative."""

    seconds: float


Given = float | At | None | Callable[[int], "float | At | None"]
"""What is scraped, by seconds after the row's moment (so all are negative, or 0); None: nothing, the series is not there."""


def until(second: float, value: float | At = 1.0) -> Given:
    """There until this one, and nothing since."""
    return lambda now: value if now <= second else None


def since(second: float, value: float | At = 1.0) -> Given:
    """Nothing before, and this from then on."""
    return lambda now: value if now >= second else None


class Moments:
    """Situations one after the other, each looked at when it ends; nothing is left of the one before."""

    def __init__(self, slot: int) -> None:
        self._slot = slot
        self._count = 0
        self._series: dict[str, dict[int, Given]] = {}

    def put(self, given: Mapping[str, Given]) -> int:
        """The second at which this one is looked at."""
        self._count += 1
        moment = self._count * self._slot
        for series, value in given.items():
            self._series.setdefault(series, {})[moment] = value
        return moment

    def series(self) -> list[dict[str, str]]:
        """All that is scraped, as promtool reads it."""
        seconds = range(0, self._count * self._slot + 1, STEP)
        return [
            {"series": series, "values": written(self._value(by_moment), seconds)}
            for series, by_moment in self._series.items()
        ]

    def _value(self, by_moment: Mapping[int, Given]) -> Callable[[int], float | None]:
        def value(now: int) -> float | None:
            moment = -(-now // self._slot) * self._slot
            given = by_moment.get(moment)
            told = given(now - moment) if callable(given) else given
            return None if told is None else _absolute(told, moment)

        return value


class Table:
    """Rows of one rule. `files`: as the chart renders them; `slot`: more seconds than its longest range looks back."""

    def __init__(self, rule: str, files: Mapping[str, str], slot: int = 3600) -> None:
        self._rule = rule
        self._files = rules.rule_files(files)
        self._moments = Moments(slot)
        self._evaluation_interval = f"{slot}s"  # what is scraped after the last evaluation is not loaded
        self._asked: list[dict[str, Any]] = []

    def row(self, name: str, given: Mapping[str, Given], wanted: Mapping[str, float | At]) -> None:
        """`given` by series, `wanted` by labels, `{}` for none; an empty one: nothing comes of it."""
        moment = self._moments.put(given)
        self._asked.append({
            "expr": f'(<<{self._rule}>>) unless on () nobody{{row="{name}"}}',
            "eval_time": f"{moment}s",
            "exp_samples": [
                {"labels": labels, "value": _absolute(value, moment)} for labels, value in wanted.items()
            ],
        })  # fmt: skip

    def judge(self) -> None:
        """Both promtools, or AssertionError with what they say."""
        test = {
            "interval": f"{STEP}s",
            "input_series": self._moments.series(),
            "promql_expr_test": self._asked,
        }
        asked = {"evaluation_interval": self._evaluation_interval, "tests": [test]}
        if said := promtool.complaints(self._files, asked):
            raise AssertionError(said)


def _absolute(value: float | At, moment: int) -> float:
    return moment + value.seconds if isinstance(value, At) else value
