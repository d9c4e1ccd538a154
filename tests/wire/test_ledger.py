"""The ledger beside the API server's own audit log: ours is ours, and a stolen token shows."""

import json
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from sentinel.core.api import ledger
from tests import conftest
from tests.support.audited import SECRETS, USER, Place, audited
from tests.support.eventually import eventually
from tests.support.manifests import of_account, of_group
from tests.support.sentinels import COMMAND


@pytest.fixture(autouse=True)
def _no_process_left_behind() -> Iterator[None]:
    """By command line: the sentinel that a test killed and started again is the same one."""
    before = Counter(map(conftest.name_of, conftest.children()))
    yield
    assert not Counter(map(conftest.name_of, conftest.children())) - before


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with audited(tmp_path_factory.mktemp("ledger")) as made:
        yield made


def test_every_request_of_ours_is_in_the_ledger_and_none_is_suspicious(place: Place) -> None:
    place.asked(breached=False)

    used = place.explain("--ledger", str(place.journal))

    ours = [event for event in place.events() if event["user"].get("username") == USER]
    assert len(ours) > 200
    assert used["suspicious"] == {}, used["findings"][:3]
    assert used["used"] == 0
    assert used["broken"] == 0


def test_what_we_were_let_in_for_is_ours_and_what_somebody_else_read_is_a_use(place: Place) -> None:
    with place.hole(of_account("team-a")):
        place.asked(breached=True)
        thief = place.cluster.account("team-a")
        assert thief.request("GET", SECRETS).status == 200
    place.asked(breached=False)

    used = place.explain("--ledger", str(place.journal))

    assert used["ours"] > 0
    assert (used["used"], used["reads"]) == (1, 1), (used["uses"], used["findings"])
    (use,) = used["uses"]
    assert (use["verb"], use["uri"], use["source_ips"]) == ("list", SECRETS, ["127.0.0.1"])
    assert 'RoleBinding "hole/team-b"' in use["reason"]
    assert used["suspicious"]["not in the ledger"] == 1
    assert used["findings"][0]["user"] == USER


def test_without_a_ledger_what_bears_our_marks_is_told_apart_and_not_believed(place: Place) -> None:
    used = place.explain()

    assert used["claimed"] > 0
    assert used["used"] >= 1
    assert used["suspicious"] == {}


def test_a_copy_of_our_marks_is_found_out(place: Place) -> None:
    since = "10m"
    place.asked(breached=False)
    mine = [event for event in place.events() if event["user"].get("username") == USER and event["verb"] == "list"][-1]
    thief = place.cluster.account("team-a")
    marks = {"Audit-ID": mine["auditID"], "User-Agent": mine["userAgent"]}
    before = place.explain("--ledger", str(place.journal), "--since", since)["suspicious"]

    thief.request("GET", mine["requestURI"], headers=marks)
    thief.request("GET", "/api/v1/namespaces/team-b/configmaps", headers=marks)
    process, _, number = mine["auditID"].rpartition("-")
    thief.request("GET", SECRETS, headers={"Audit-ID": f"{process}-{int(number) + 10**6}"})
    place.asked(breached=False)
    after = place.explain("--ledger", str(place.journal), "--since", since)["suspicious"]

    new = Counter(after) - Counter(before)
    assert new == {
        "a second request with an Audit-Id of ours": 1,
        "another request than the ledger has under this Audit-Id": 1,
        "not written down: the ledger has a gap there": 1,
    }


def test_a_watch_has_two_events_and_is_one_use(place: Place) -> None:
    with place.hole(of_group("system:serviceaccounts:team-b")):
        app = place.cluster.account("team-b", "app")
        eventually(lambda: app.request("GET", f"{SECRETS}/none").status == 404, 10)
        app.request("GET", f"{SECRETS}?watch=1&timeoutSeconds=1")
        found = place.run(
            "--group", "system:serviceaccounts:team-b", "list", "secrets", "-n", "team-b",
            "--audit-log", str(place.audit_log), "--ledger", str(place.journal), "-o", "json",
        )["cases"][0]["used"]  # fmt: skip

    counts = {(row["verb"], row["user"]): row["count"] for row in found["by"]}
    assert counts["watch", "system:serviceaccount:team-b:app"] == 1
    assert 'to Group "system:serviceaccounts:team-b"' in found["uses"][-1]["reason"]


def test_a_use_through_a_binding_that_is_gone_is_found_by_the_page_that_named_it(place: Place) -> None:
    group = "system:serviceaccounts:team-b"
    with place.hole(of_group(group)):
        app = place.cluster.account("team-b", "app")
        eventually(lambda: app.request("GET", f"{SECRETS}/gone").status == 404, 10)
    labels = {"alertname": "SentinelIsolationBreach", "tenant": "team-a", "identity": "self", "target": "team-b", "check": "api/secrets"}  # fmt: skip
    cause = f'The API server says why: RBAC: allowed by RoleBinding "hole/team-b" of Role "hole" to Group "{group}".'
    alert = place.folder / "alert.json"
    alert.write_text(json.dumps([{"labels": labels, "annotations": {"description": f"as {USER}. {cause}"}}]))

    words = (
        "--from-alert",
        str(alert),
        "--audit-log",
        str(place.audit_log),
        "--ledger",
        str(place.journal),
        "-o",
        "json",
    )
    (case,) = place.run(*words)["cases"]

    assert {answer["state"] for answer in case["answers"]} == {"shut"}
    assert (case["state"], case["closings"]) == ("open", [])
    assert "system:serviceaccount:team-b:app" in {row["user"] for row in case["used"]["by"]}


def test_the_window_counts_only_what_came_in_it(place: Place) -> None:
    last = place.events()[-1]["requestReceivedTimestamp"]

    assert place.explain("--since", "2099-01-01T00:00:00Z")["used"] == 0
    assert place.explain("--until", "2020-01-01T00:00:00Z")["used"] == 0
    assert place.explain("--until", last)["used"] >= 1


def test_broken_lines_are_counted_and_cost_nothing_else(place: Place) -> None:
    whole = place.audit_log.read_bytes()
    lines = whole.splitlines(keepends=True)
    broken = b"\x00\xff{{{\n" + b'{"kind":"Event"}\n' + b"[" * 5000 + b"\n" + b"\n" + lines[0][:200] + b"\n"

    used, again = (place.explain(log="-", stdin=text) for text in (whole, broken + whole))

    assert again["broken"] == 4
    assert {**again, "broken": 0, "lines": 0} == {**used, "lines": 0}


def test_a_process_that_was_killed_and_started_anew_is_two_in_the_ledger(place: Place) -> None:
    place.sentinel.kill()
    place.sentinel.start()
    place.asked(breached=False)

    used = place.explain("--ledger", str(place.journal))

    # What was sent in its last moments nobody wrote down: that is told as what it is, and as nothing worse.
    assert set(used["suspicious"]) <= {
        "not in the ledger",
        "a second request with an Audit-Id of ours",
        "another request than the ledger has under this Audit-Id",
        "not written down: the ledger has a gap there",
    }
    assert used["suspicious"]["not in the ledger"] == 1


def test_the_journal_of_a_sentinel_that_was_killed_and_stopped_is_whole_and_tells_what_was_seen(place: Place) -> None:
    with place.hole(of_account("team-a")):
        place.asked(breached=True)
    place.asked(breached=False)
    place.sentinel.kill()
    place.sentinel.start()
    place.asked(breached=False)
    log = place.sentinel.process.log
    place.sentinel.stop()
    try:
        verified = report(place, "verify", "--anchors", str(log))
        seen = report(place, "--since", "1h")
    finally:
        place.sentinel.start()
    place.asked(breached=False)

    (one,) = verified["journals"]
    assert one["standing"] == "ok"
    assert one["anchored"] == one["last"] > 50
    holes = [found for found in seen["breaches"] if found["target"] == "team-b"]
    assert holes
    assert {found["ending"] for found in holes} == {"closed"}
    assert all(found["to_detect_seconds"] < 10 for found in holes if found["check"] == "api/secrets")
    assert {gap["why"] for gap in seen["gaps"]} >= {"ended without a word", "stopped"}
    (pair,) = (found for found in seen["pairs"] if found["target"] == "team-b")
    assert min(pair["held"], pair["open"], pair["proofs"]) > 0


def report(place: Place, *words: str) -> Any:
    """What the command says, from the journal alone."""
    ended = subprocess.run(
        [COMMAND, "report", *words, "--journal", place.journal, "-o", "json"],
        capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.stdout, ended.stderr
    return json.loads(ended.stdout)


def test_the_ledger_is_small(place: Place) -> None:
    """What was asked is written out once by each process; after that a request costs two bytes, lines and all."""
    place.asked(breached=False)
    place.asked(breached=False)

    rows = [row for row in place.journal.read_text().splitlines() if '"event":"asked"' in row]
    lines = [(len(row), line) for row in rows if (line := ledger.parse(json.loads(row), 0.0)) is not None]
    forms = [(line.process, form) for _, line in lines for form in line.forms.values()]
    later = [(size, line) for size, line in lines if not line.forms]
    requests = sum(run.length for _, line in later for run in line.runs)
    size = sum(size for size, _ in later)
    print(f"{len(rows)} lines, {len(forms)} forms; later {size} bytes for {requests} requests")
    assert len(forms) == len(set(forms))
    assert requests > 300
    assert size < 3 * requests


def test_a_gigabyte_takes_no_more_memory_than_a_megabyte(place: Place) -> None:
    # 200 MB through a pipe: what is held would show.
    line = place.audit_log.read_bytes().splitlines(keepends=True)[-1]
    script = (
        "import resource, sys; from pathlib import Path; from sentinel.tools.explain import lines_of; "
        "from sentinel.core.api import audit; s = audit.Sifted(audit.Wanted(users=frozenset({sys.argv[1]}))); "
        "audit.sift(lines_of('-'), [s]); "
        "print(s.lines, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    found = {}
    for size in (1, 200):
        with tempfile.TemporaryFile() as big:
            block = line * (1024 * 1024 // len(line))
            for _ in range(size):
                big.write(block)
            big.seek(0)
            ended = subprocess.run(
                [COMMAND.parent / "python", "-c", script, USER], stdin=big, capture_output=True, check=True
            )
            found[size] = [int(word) for word in ended.stdout.split()]

    print(found)
    assert found[200][0] == 200 * found[1][0]
    assert found[200][1] < found[1][1] + 20_000
