"""Debian's Alertmanager 0.25: five of the six files work there, in the same words, and the sixth is refused at once."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from tests import parts
from tests.receivers import pages
from tests.receivers.desk import KINDS, desk, merged, placed

SINCE = datetime(2026, 11, 28, 15, 2, 11, tzinfo=UTC)
OLD = tuple(kind for kind in KINDS if kind != "teams")


@pytest.mark.parametrize("kind", KINDS)
def test_it_accepts_all_but_teams(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "alertmanager.yml"
    path.write_text(yaml.safe_dump(placed(merged(kind, scale=1), tmp_path)))

    ended = subprocess.run([parts.find("amtool025"), "check-config", path], check=False, capture_output=True, text=True)

    assert (ended.returncode == 0) is (kind in OLD)


def test_a_page_says_there_what_it_says_in_a_new_one(tmp_path: Path) -> None:
    with desk(tmp_path, *OLD, binary="alertmanager025") as here:
        here.begin(0)
        here.send(pages.pushed(SINCE))

        line = f"team-a can read Secrets of team-b, since 2026-11-28 15:02:11 UTC (api/secrets, {here.town})"
        assert here.attached()["title"] == line
        assert here.told(here.pagerduty)["payload"]["summary"] == line
        assert here.told(here.opsgenie)["message"] == line
        assert here.letter()["Subject"] == line
        here.webhook.wait_for_alert("firing", 30, cluster=here.town)
        assert not [problem for vendor in here.vendors for problem in vendor.problems]
