"""What the stand-in does beyond what is compared with the real server: time, change, limits."""

import json
from typing import Any

import pytest

from sentinel.demo import world
from sentinel.demo.answers import Reply
from sentinel.demo.cluster import Call, Cluster

NOON = 1_800_000_000.0
SECRETS = "/api/v1/namespaces/team-b/secrets"


class Noon:
    """A clock that stands where it is put."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Noon:
    return Noon()


@pytest.fixture
def cluster(clock: Noon) -> Cluster:
    made = Cluster(clock)
    made.apply(*world.installed())
    return made


def ask(cluster: Cluster, path: str, token: str, method: str = "GET", **headers: str) -> Reply:
    sent = {"accept": "image/png", "authorization": f"Bearer {token}", **headers}
    return cluster.answer(Call(method, path, {}, sent))


def said(reply: Reply) -> Any:
    return json.loads(reply.body)


def test_a_token_lives_a_minute_longer_than_it_says(cluster: Cluster, clock: Noon) -> None:
    token = cluster.token("team-a", seconds=600)

    clock.now = NOON + 659
    assert ask(cluster, SECRETS, token).status == 403
    clock.now = NOON + 660
    assert ask(cluster, SECRETS, token).status == 401


def test_a_token_changed_by_one_character_is_nobodys(cluster: Cluster) -> None:
    token = cluster.token("team-a")
    head, body, signature = token.split(".")

    assert ask(cluster, SECRETS, f"{head}.{body}.A{signature[1:]}").status == 401
    assert ask(cluster, SECRETS, f"{head}.{body[:-1]}.{signature}").status == 401
    assert ask(cluster, SECRETS, f"{token}\N{SNOWMAN}").status == 401


def test_the_token_of_another_cluster_is_nobodys(cluster: Cluster, clock: Noon) -> None:
    other = Cluster(clock)
    other.apply(*world.installed())

    assert ask(cluster, SECRETS, other.token("team-a")).status == 401


def test_a_hole_holds_from_the_next_request_on_and_closes_likewise(cluster: Cluster) -> None:
    token, hole = cluster.token("team-a"), world.hole("team-a", "team-b")

    answers = [ask(cluster, SECRETS, token).status]
    cluster.apply(*hole)
    answers.append(ask(cluster, SECRETS, token).status)
    cluster.delete(*hole)
    answers.append(ask(cluster, SECRETS, token).status)

    assert answers == [403, 406, 403]


def test_every_tenant_reads_its_own_beacon_and_nobody_elses(cluster: Cluster) -> None:
    answers = {
        (reader, owner): ask(
            cluster, f"/api/v1/namespaces/{owner}/secrets/sentinel-beacon", cluster.token(reader)
        ).status
        for reader in world.TENANTS
        for owner in world.TENANTS
    }

    assert answers == {pair: 406 if pair[0] == pair[1] else 403 for pair in answers}


def test_every_door_is_open_to_every_sentinel_and_nothing_behind_it(cluster: Cluster) -> None:
    for reader in world.TENANTS:
        token = cluster.token(reader)
        for space in (*world.TENANTS, *world.SYSTEM):
            assert ask(cluster, f"/api/v1/namespaces/{space}", token).status == 406
            assert ask(cluster, f"/api/v1/namespaces/{space}/pods", token).status == 403


def test_the_open_decoy_is_served_and_the_closed_one_denied(cluster: Cluster) -> None:
    token, secrets = cluster.token("team-c"), "/api/v1/namespaces/sentinel-system/secrets"

    assert ask(cluster, f"{secrets}/sentinel-decoy", token).status == 406
    assert ask(cluster, f"{secrets}/sentinel-decoy-closed", token).status == 403


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        pytest.param("GET", {"impersonate-user": "x", "impersonate-group": "y"}, id="impersonation-of-groups"),
        pytest.param("DELETE", {"accept": "application/json"}, id="a deletion"),
    ],
)
def test_what_it_does_not_play_it_says(cluster: Cluster, method: str, headers: dict[str, str]) -> None:
    cluster.apply(*world.hole("team-a", "team-b"))
    rule = world.rule("deletecollection", "secrets")
    cluster.apply({**world.hole("team-a", "team-b")[0], "rules": [rule, world.rule("list", "secrets")]})

    reply = ask(cluster, SECRETS, cluster.token("team-a"), method, **headers)

    assert reply.status == 501
    assert said(reply)["message"].startswith("the stand-in API server does not ")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff\xfe", b"1" * 5000])
def test_a_body_that_makes_no_sense_is_a_bad_request(cluster: Cluster, body: bytes) -> None:
    headers = {"authorization": f"Bearer {cluster.token('team-a')}", "accept": "application/json"}
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"

    assert cluster.answer(Call("POST", path, {}, headers, body)).status == 400
