"""The network from end to end: a policy is taken away, and a page says so; it is back, and proof says so."""

from collections.abc import Iterator

import pytest

from tests.cluster.nettown import NetTown
from tests.support.eventually import eventually
from tests.support.policies import shut

PATIENT = 120.0
"""Seconds for what takes three rounds of five, on a machine that may be busy."""
CHECKS = ("net/tcp", "net/udp", "net/http")


@pytest.fixture(scope="module")
def town() -> Iterator[NetTown]:
    with NetTown() as built:
        yield built


def since(town: NetTown, tenant: str, target: str) -> dict[str, float | None]:
    """Per class of promise: when the breach began, 0: proven shut, None: neither is proven."""
    name, found = "sentinel_breach_since_timestamp_seconds", town.metrics(tenant)
    seen = {check: found.all(name, check=check, identity="self", target=target) for check in CHECKS}
    return {check: next(iter(values.values()), None) for check, values in seen.items()}


def said(town: NetTown, tenant: str) -> str:
    gates = town.pods[tenant].do(town.sentinels[tenant].console, "/api/v1/status")["gates"]
    red = [gate for gate in gates if not gate["up"]]
    return f"{since(town, tenant, other(tenant))}\n{red}\n{town.sentinels[tenant].process.log_tail(8)}"


def paged(town: NetTown) -> set[str]:
    """What the witness has handed on of team-a's pages about team-b."""
    labels = {"alertname": "SentinelIsolationBreach", "tenant": "team-a", "target": "team-b", "path": "push"}
    return {alert["labels"]["check"] for one in town.pages.deliveries for alert in one.alerts(**labels)}


def other(tenant: str) -> str:
    return "team-b" if tenant == "team-a" else "team-a"


def test_a_policy_that_goes_is_a_breach_and_one_that_is_back_ends_it_by_proof(town: NetTown) -> None:
    a, b = town.pods["team-a"], town.pods["team-b"]
    both = (*shut(a, b), *shut(b, a))
    town.lab.policy(*both)
    for tenant in ("team-a", "team-b"):
        proven = dict.fromkeys(CHECKS, 0.0)
        eventually(lambda: since(town, tenant, other(tenant)) == proven, PATIENT, lambda: said(town, tenant))  # noqa: B023

    town.lab.policy(*shut(b, a))
    eventually(lambda: all(since(town, "team-a", "team-b").values()), PATIENT, lambda: said(town, "team-a"))
    assert since(town, "team-b", "team-a") == proven
    eventually(lambda: paged(town) == {*CHECKS}, PATIENT, lambda: f"pages about {paged(town)}")

    town.lab.policy(*both)
    eventually(lambda: since(town, "team-a", "team-b") == proven, PATIENT, lambda: said(town, "team-a"))
