"""`sentinel once` on the real cluster: one round, and nothing left out of it."""

import json
import subprocess
from typing import Any

from tests.cluster.town import Town
from tests.support.sentinels import COMMAND


def test_once_asks_each_question_of_the_plan_and_ends_with_0(town: Town) -> None:
    _, plan = said(town, "check", "--questions")

    code, outcome = said(town, "once")

    asked = {(row["identity"], row["target"], row["question"]) for row in outcome["questions"]}
    assert len(asked) == len(outcome["questions"]) == len(plan["listed"])
    assert {row["verdict"] for row in outcome["questions"]} == {"held"}
    assert code == 0


def said(town: Town, *words: str) -> tuple[int, Any]:
    """Exit code and JSON of a command with the configuration and the account of team-a's sentinel."""
    sentinel = town.sentinels["team-a"]
    ended = subprocess.run(
        [COMMAND, *words, "--config", sentinel.config_file, "--output", "json"],
        env=sentinel._environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.stdout, ended.stderr
    return ended.returncode, json.loads(ended.stdout)
