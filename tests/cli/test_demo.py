"""`sentinel demo` tells its story to the end, on a machine with and without Prometheus, and cleans up."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import parts
from tests.support.eventually import eventually

BARE = "/usr/bin:/bin"
PATIENCE = 240.0
"""Seconds for a show of 20: the rest is for a machine that is ten times too busy."""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where the show may put what is temporary; afterwards nothing is in it, and nobody works there."""
    yield tmp_path
    assert sorted(one.name for one in tmp_path.iterdir()) == []
    assert not working_in(tmp_path)


def start(folder: Path, path: str, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "sentinel", "demo", "--for", "20s", *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={"PATH": path, "TMPDIR": str(folder), "HOME": str(folder), "COLUMNS": "200"},
        # Its own session, as a shell would give it its own group.
        start_new_session=True,
    )


def working_in(folder: Path) -> list[str]:
    """The processes whose folder is beneath `folder`: every child of the show has one of its own."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            where = str((process / "cwd").readlink())
        except OSError:  # somebody else's, or gone
            continue
        if where.startswith(str(folder)):
            found.append(f"{process.name} in {where}")
    return found


def in_order(text: str, *patterns: str) -> None:
    """Each pattern occurs, after the one before it."""
    rest = text
    for pattern in patterns:
        found = re.search(pattern, rest)
        assert found, f"{pattern!r} is missing, or not in its place, in:\n{text}"
        rest = rest[found.end() :]


def test_the_hole_is_found_paged_about_and_proven_closed_and_a_failover_is_measured(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    drawn = tmp_path_factory.mktemp("drawn") / "failover.svg"
    show = start(folder, BARE, "--failover-svg", str(drawn))
    text, _ = show.communicate(timeout=PATIENCE)

    assert show.returncode == 0, text
    in_order(
        text,
        r"console of team-a: http://127\.0\.0\.1:\d+/",
        r"proven: (\d+) of \1 questions held, coverage 100 %",
        r"hole opened: RoleBinding team-b/read-secrets",
        r"evidence: \w+ secrets\S* in team-b was served, HTTP 406, Audit-Id \S+ +\(\+[\d.]+ s\)",
        r"confirmed.*\(\+[\d.]+ s\)",
        r"the page arrives, as pushed.*\(\+[\d.]+ s\)",
        r"alertname +SentinelIsolationBreach",
        r"kubectl auth can-i \w+ secrets\S* .*--as=system:serviceaccount:team-a:sentinel",
        r"hole closed",
        r"proven closed.*\(\+[\d.]+ s\)",
        r"the page is resolved.*\(\+[\d.]+ s\)",
        r"provider north is killed",
        r"nobody answers: \w+.* +\(\+[\d.]+ s\)",
        r"an answer again: failed_over, by south \(header X-Served-By\) +\(\+[\d.]+ s\)",
        r"sentinel says pass: north to south, nobody answered for [\d.]+ to [\d.]+ s",
        r"the gateway knows: [\d.]+ s, between the bounds",
    )
    assert "Traceback" not in text
    lower, true, upper, promised = (figure(text, name) for name in ("F_lower", "true", "F_upper", "pass"))
    assert 0 < lower <= true <= upper < promised == 30.0
    assert "nobody answered for" in drawn.read_text()


def figure(text: str, name: str) -> float:
    """Of the table, seconds."""
    [found] = re.findall(rf"^│ {name} +│ +([\d.]+) │", text, re.MULTILINE)
    return float(found)


def test_a_picture_that_cannot_be_written_is_refused_before_the_show(folder: Path) -> None:
    show = start(folder, BARE, "--failover-svg", str(folder / "none" / "failover.svg"))
    text, _ = show.communicate(timeout=PATIENCE)

    assert show.returncode == 2, text
    assert "none/failover.svg: no such folder" in text
    assert "API server" not in text


def test_with_prometheus_and_alertmanager_the_real_page_arrives(folder: Path) -> None:
    show = start(folder, f"{parts.find('alertmanager').parent}:{BARE}")
    text, _ = show.communicate(timeout=PATIENCE)

    assert show.returncode == 0, text
    in_order(
        text,
        r"Prometheus: http://127\.0\.0\.1:\d+",
        r"Alertmanager: http://127\.0\.0\.1:\d+",
        r"hole opened",
        r"the page arrives, from Alertmanager, over its webhook \(path (push|rule)\) +\(\+[\d.]+ s\)",
        r"hole closed",
        r"the page is resolved, from Alertmanager, over its webhook",
        r"the gateway knows: [\d.]+ s, between the bounds",
    )


@pytest.mark.parametrize(
    ("number", "moment"),
    [
        pytest.param(signal.SIGINT, "hole opened", id="Ctrl-C in the middle"),
        pytest.param(signal.SIGTERM, "API server at", id="SIGTERM at the start"),
    ],
)
def test_interrupted_it_leaves_nothing_behind(folder: Path, number: signal.Signals, moment: str) -> None:
    show = start(folder, BARE)
    assert show.stdout is not None
    seen = []
    for line in show.stdout:
        seen.append(line)
        if moment in line:
            break
    assert eventually(lambda: working_in(folder), 20, "its children run")

    show.send_signal(number)
    rest, _ = show.communicate(timeout=20)

    assert show.returncode == 130, "".join(seen) + rest
    assert "stopped; nothing is left running" in rest
    assert "Traceback" not in rest
