"""All is well: everything is proven within `sweep`, and nobody is told anything."""

import time

from tests.cluster.town import ROUND, SWEEP, TENANTS, Town


def test_within_a_sweep_every_question_of_every_identity_is_held_and_nobody_is_paged(town: Town) -> None:
    town.settle()
    began = time.time()
    asked = {tenant: questions(town, tenant) for tenant in TENANTS}

    time.sleep(SWEEP)  # the promise is about this much time, whatever happens in it

    for tenant, sentinel in town.sentinels.items():
        status = sentinel.console("/api/v1/status")
        assert {row["verdict"] for row in status["standings"]} == {"held"}, tenant
        assert {row["identity"] for row in status["standings"]} == {"self", "anonymous"}
        late = [row for row in status["standings"] if row["last_proven"] < began - ROUND]
        assert not late, f"{tenant}: {len(late)} of {len(status['standings'])} not asked within {SWEEP:g} s"
        assert (status["ready"], status["coverage"]) == (True, 1.0)
        assert all(row["up"] for row in status["gates"])
        assert questions(town, tenant) == asked[tenant]
        assert sentinel.console("/api/v1/breaches") == []
    assert town.pages.deliveries == []
    assert town.prometheus.firing() <= {"SentinelWatchdog"}, "which says that rules are evaluated"


def test_each_namespace_is_asked_about_by_every_tenant_and_by_nobody_exactly_once(town: Town) -> None:
    expected = {*TENANTS, "kube-system", "sentinel-system", "*"}
    anonymous: list[tuple[str, str]] = []

    for tenant, sentinel in town.sentinels.items():
        rows = sentinel.console("/api/v1/status")["standings"]
        assert {row["target"] for row in rows if row["identity"] == "self"} == expected - {tenant}
        anonymous += [(row["target"], row["question"]) for row in rows if row["identity"] == "anonymous"]

    assert {target for target, _ in anonymous} == expected
    assert len(anonymous) == len(set(anonymous))


def test_who_speaks_is_said_by_the_scrape(town: Town) -> None:
    town.settle()

    rows = town.prometheus.query('sentinel_coverage_ratio{job="sentinel"}')

    assert {row.labels["tenant"]: row.value for row in rows} == dict.fromkeys(TENANTS, 1.0)


def questions(town: Town, tenant: str) -> set[tuple[str, ...]]:
    rows = town.sentinels[tenant].console("/api/v1/status")["standings"]
    return {(row["identity"], row["target"], row["question"]) for row in rows}
