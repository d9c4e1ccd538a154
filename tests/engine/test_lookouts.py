"""What the settings switch on, and where it looks from."""

import pytest

from sentinel import settings
from sentinel.core.net.enumeration import Look
from sentinel.core.net.roster import Roster
from sentinel.joins.lookouts import NOT_PRIVATE, lookouts_of
from tests.engine.net_scripted import Net
from tests.settings.conftest import GOOD

pytestmark = pytest.mark.looptime


def looking(tmp_path, text, net=None):
    path = tmp_path / "s.yaml"
    path.write_text(GOOD + text)
    net = net or Net()
    return lookouts_of(settings.load(path, {}), net.round, net.clock)


@pytest.mark.parametrize(
    ("text", "checks"),
    [
        ("", []),
        ("network: {enabled: true}", []),
        ("network: {node: {enabled: true}}", ["net/node"]),
        ("network: {cloud: aws}", ["net/cloud"]),
        ("network: {dns: {enabled: true}}", ["net/dns"]),
        ("network: {node: {enabled: true}, cloud: gcp, dns: {enabled: true}}", ["net/node", "net/cloud", "net/dns"]),
    ],
)
async def test_nothing_is_asked_that_was_not_switched_on(tmp_path, text, checks):
    assert [lookout.check for lookout in looking(tmp_path, text)] == checks


@pytest.mark.parametrize(("private", "allowed"), [("false", NOT_PRIVATE), ("true", "")])
async def test_that_names_can_be_found_is_a_breach_where_they_are_private(tmp_path, private, allowed):
    (dns,) = looking(tmp_path, f"network: {{dns: {{enabled: true, private: {private}, server: 10.96.0.10}}}}")

    assert dns.allowed == allowed
    assert not dns.silence_counts


async def test_they_look_from_where_the_roster_says_that_we_are(tmp_path):
    net = Net()
    text = "network: {node: {enabled: true}, cloud: aws, dns: {enabled: true, server: 10.96.0.10}}"
    _, cloud, dns = looking(tmp_path, text, net)
    unknown = [question.endpoint.address for question in cloud.questions()]

    net.own.beacon = type(net.own.beacon)(
        "team-a", "team-a", net.own.beacon.uid, 7462, ("10.1.1.1",), key=net.own.beacon.key, node="node-1"
    )
    await net.round.fetch()

    assert unknown == ["169.254.169.254", "fd00:ec2::254"]
    assert [question.endpoint.address for question in cloud.questions()] == ["169.254.169.254"]
    assert dns.address() == "10.1.1.1"
    assert dns.roster() == net.round.usable


async def test_without_a_roster_there_are_no_nodes_to_ask(tmp_path):
    node, dns = looking(tmp_path, "network: {node: {enabled: true}, dns: {enabled: true, server: 10.96.0.10}}")

    assert node.questions() == []
    assert dns.roster() == Roster()
    assert {question.target for question in dns.questions()} == {
        "team-b",
        "team-b-jobs",
        "kube-system",
        "sentinel-system",
        "*",
    }


async def test_a_service_of_ours_is_asked_for_only_where_there_should_be_one(tmp_path):
    (dns,) = looking(tmp_path, "network: {dns: {enabled: true, server: 10.96.0.10}}")

    assert [question.target for question in dns.questions() if question.look is Look.SERVICE] == ["team-b"]
