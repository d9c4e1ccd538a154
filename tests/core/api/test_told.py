"""What `check` and `once` say of exceptions."""

from dataclasses import replace
from datetime import date

from sentinel.core.answer import Answer, Observation
from sentinel.core.api import distribution
from sentinel.core.api.allowed import Allowance
from sentinel.core.api.plan import make
from sentinel.core.api.question import in_namespace
from sentinel.core.api.resources import CONFIGMAPS
from sentinel.core.record import Record
from sentinel.core.standing import Standing
from sentinel.core.verdict import Reason, State, Verdict
from sentinel.reports import forecast, outcome
from sentinel.reports.outcome import Outcome
from tests.core.scopes import scope

ROW = Allowance(
    "team-000->team-001",
    "team-000",
    "team-001",
    frozenset({"get"}),
    ("configmaps",),
    until=date(2026, 11, 20),
    reason="The feed moves",
    owner="Payments",
)
NOON = 1_795_262_400.0  # 2026-11-21T12:00:00Z


def test_check_names_each_with_its_end_and_says_what_ran_out():
    lasting = replace(ROW, name="team-000->team-002", target="team-002", until=None)
    others = replace(ROW, name="team-001->team-000", source="team-001", target="team-000")

    told = forecast.exceptions(make(scope(3, allow=(ROW, lasting, others))), NOON).splitlines()

    assert told == [
        "wanted grants, judged as held:",
        "  team-000->team-001: get configmaps: allowed until 2026-11-20 by Payments: The feed moves"
        " (RAN OUT: a breach again)",
        "  team-000->team-002: get configmaps: allowed by Payments: The feed moves",
    ]


def test_check_says_what_a_distribution_grants_to_every_account():
    told = forecast.exceptions(make(scope(2, allow=distribution.grants("openshift"))), NOON)

    assert "openshift grants to every account: " in told
    assert "get, list storageclasses.storage.k8s.io" in told


def test_check_says_nothing_where_nothing_is_wanted():
    assert forecast.exceptions(make(scope(2)), NOON) == ""


def test_once_says_what_is_allowed_until_when_and_by_whom():
    question = in_namespace("self", "get", CONFIGMAPS, "team-001")
    verdict = Verdict(State.HELD, Reason.ALLOWED, ROW.name)
    record = Record(question, Observation(Answer.SERVED, NOON, code=406), verdict, Standing(verdict))

    seen = Outcome((record,), exceptions=(ROW,))

    assert (
        "ALLOWED self may get configmaps/sentinel-beacon in team-001: "
        "allowed until 2026-11-20 by Payments: The feed moves" in outcome.text(seen)
    )
    assert seen.exit_code == 0
    assert ROW.name in str(seen.as_json()["questions"])
