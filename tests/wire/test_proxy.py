"""The front says what it is told to, and otherwise what the API server says."""

import asyncio
import http.client
import itertools
import ssl

import aiohttp
import pytest

from tests.support import manifests, proxy
from tests.support.apiclient import ApiClient
from tests.support.controlplane import ControlPlane
from tests.support.proxy import Fault, Proxy

SECRETS = "/api/v1/namespaces/default/secrets?limit=1"
RULES = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"


@pytest.fixture(scope="module")
def token(cluster: ControlPlane) -> str:
    cluster.admin.apply(manifests.namespace("front"), manifests.account("front"))
    return cluster.token_for("front")


def through(front: Proxy, cluster: ControlPlane, token: str | None) -> ApiClient:
    return ApiClient(front.url, cluster.ca_file, token)


def test_an_honest_front_changes_nothing(cluster: ControlPlane, token: str) -> None:
    with Proxy(cluster) as front:
        direct = cluster.client(token).request("GET", SECRETS)
        indirect = through(front, cluster, token).request("GET", SECRETS)

    assert indirect.status == direct.status == 403
    assert indirect.body == direct.body
    assert set(indirect.headers) == set(direct.headers)
    assert [request.path for request in front.requests] == [SECRETS]


@pytest.mark.parametrize(
    ("fault", "status", "text"),
    [
        (proxy.says_html(), 403, "<h1>Forbidden"),
        (proxy.denies_somebody_else(), 403, 'User "system:serviceaccount:elsewhere:other" cannot'),
        (proxy.unauthorized(), 401, "Unauthorized"),
        (proxy.throttles(), 429, "Too many requests"),
        (proxy.answers(500, b"boom"), 500, "boom"),
        (proxy.redirects("https://127.0.0.1:1/"), 302, ""),
    ],
)
def test_a_lying_front_says_what_it_is_told(
    cluster: ControlPlane, token: str, fault: Fault, status: int, text: str
) -> None:
    with Proxy(cluster) as front:
        front.fault = fault
        reply = through(front, cluster, token).request("GET", SECRETS)

    assert reply.status == status
    assert text in reply.message


def test_a_fault_can_be_for_one_path_only(cluster: ControlPlane, token: str) -> None:
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview"}
    body = review | {"spec": {"namespace": "default"}}
    with Proxy(cluster) as front:
        client = through(front, cluster, token)
        front.fault = proxy.only("selfsubjectrulesreviews", proxy.incomplete())

        assert client.must("POST", RULES, body)["status"]["incomplete"] is True
        assert client.request("GET", SECRETS).status == 403
        front.fault = proxy.passes
        assert client.must("POST", RULES, body)["status"]["incomplete"] is False


def test_a_silent_front_never_answers(cluster: ControlPlane, token: str) -> None:
    with Proxy(cluster) as front:
        front.fault = proxy.silent()
        with pytest.raises(TimeoutError):
            through(front, cluster, token).request("GET", SECRETS, timeout=0.3)


def test_a_front_can_hang_up(cluster: ControlPlane, token: str) -> None:
    with Proxy(cluster) as front:
        front.fault = proxy.hangs_up()
        with pytest.raises(OSError):
            through(front, cluster, token).request("GET", SECRETS)


def test_a_front_can_talk_without_end(cluster: ControlPlane, token: str) -> None:
    endless = itertools.chain([b"HTTP/1.1 200 OK\r\n"], itertools.repeat(b"X-Filler: a\r\n"))
    with Proxy(cluster) as front:
        front.fault = proxy.sends(endless)
        with pytest.raises(http.client.HTTPException, match="more than"):
            through(front, cluster, token).request("GET", SECRETS)


@pytest.mark.parametrize("how", ["after its second answer", "when told"])
async def test_a_connection_is_closed_without_a_word_and_aiohttp_opens_another_silently(
    cluster: ControlPlane, token: str, how: str
) -> None:
    trust = ssl.create_default_context(cafile=str(cluster.ca_file))
    headers = {"Authorization": f"Bearer {token}"}
    with Proxy(cluster) as front:
        if how == "after its second answer":
            front.fault = proxy.Reconnects(after=2)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust)) as session:
            for number in range(4):
                if how == "when told" and number == 2:
                    front.drop_connections()
                # A request sent into a connection that is just being closed is an error and
                # not a reconnect: give the close its turn.
                await asyncio.sleep(0.05)
                async with session.get(front.url + SECRETS, headers=headers) as reply:
                    assert reply.status == 403
                    await reply.read()

    assert [request.connection for request in front.requests] == [1, 1, 2, 2]
