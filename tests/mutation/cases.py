"""What the tests ask promtool, taken down in place of asking it: the cases that mutants are held against."""

import contextlib
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from tests.alerts import promtool
from tests.alerts.rules import Rule, in_file

FOLDER = Path(__file__).parents[1] / "alerts"


@dataclass(frozen=True, eq=False)
class Case:
    """One question of one test."""

    test: str
    files: Mapping[str, str]
    asked: Mapping[str, Any]
    number: int = field(default=0)

    @cached_property
    def rules(self) -> Sequence[tuple[str, Rule]]:
        """All that are evaluated, in order, with the file of each."""
        loaded = [str(name) for name in self.asked.get("rule_files", self.files)]
        return [(name, rule) for name in loaded for rule in in_file(self.files[name])]

    @cached_property
    def read_out(self) -> frozenset[str]:
        """The alerts whose every word is asked for."""
        return frozenset(one["alertname"] for test in self.asked["tests"] for one in test.get("alert_rule_test", ()))

    @cached_property
    def written_out(self) -> bool:
        """It asks for expressions, not for what the rules made of them."""
        return "rule_files" not in self.asked


def taken_down(modules: Sequence[str] = ()) -> list[Case]:
    """Of these modules, or of all that test rules; runs them, with a promtool that has no objections.

    Raises RuntimeError if one fails all the same.
    """
    found: list[Case] = []
    asked = promtool.complaints

    def note(files: Mapping[str, str], case: Mapping[str, Any]) -> str:
        test = os.environ["PYTEST_CURRENT_TEST"].removesuffix(" (call)")
        found.append(Case(test, dict(files), case, len(found)))
        return ""

    promtool.complaints = note
    try:
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            ended = pytest.main(["-q", "-p", "no:cacheprovider", *(modules or _modules())])
    finally:
        promtool.complaints = asked
    if ended:
        raise RuntimeError(f"the tests do not even run:\n{said.getvalue()}")
    return found


def _modules() -> Iterator[str]:
    """The modules that ask promtool, through a world, a table, pages, or by themselves."""
    for path in sorted(FOLDER.glob("test_*.py")):
        text = path.read_text()
        if any(f"tests.alerts.{how}" in text for how in ("world", "table", "pages")) or "import promtool" in text:
            yield str(path)
