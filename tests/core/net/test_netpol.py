"""What NetworkPolicies say of one packet: the rows of the Kubernetes documentation, laws, and what closes a way."""

import json
import shlex
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel.core.net import netpol_object
from sentinel.core.net.crossing import Family
from sentinel.core.net.netpol import ContainerPort, Packet, Pod, Policy, Reading, Side, read
from sentinel.core.net.netpol_remedy import NAME_OF_SPACE, shuttings

Dict = dict[str, Any]
ASKER = Pod("team-a", "ask", {"app": "client", "tier": "front"}, ("10.0.1.5", "fd00:1::5"))
TARGET = Pod(
    "team-b",
    "beacon",
    {"app": "db"},
    ("10.0.2.7", "fd00:2::7"),
    (ContainerPort("beacon", 7462), ContainerPort("beacon", 7462, "UDP"), ContainerPort("web", 8080)),
)
SPACES = {
    "team-a": {NAME_OF_SPACE: "team-a", "zone": "blue", "env": "prod"},
    "team-b": {NAME_OF_SPACE: "team-b", "zone": "red"},
}
TO_ALL: Dict = {"podSelector": {}}


def policy(namespace: str = "team-b", name: str = "p", **spec: Any) -> Policy:
    found = netpol_object.policy({"metadata": {"namespace": namespace, "name": name}, "spec": TO_ALL | spec})
    assert found is not None
    return found


def reading(*policies: Policy, asker: Pod = ASKER, target: Pod = TARGET, **packet: Any) -> Reading:
    return read(Packet(asker, target, packet.pop("port", 7462), **packet), policies, SPACES)


def labels(**wanted: str) -> Dict:
    return {"matchLabels": wanted}


def expression(key: str, operator: str, *values: str) -> Dict:
    return {"matchExpressions": [{"key": key, "operator": operator} | ({"values": [*values]} if values else {})]}


def ingress(*peers: Dict, ports: list[Dict] | None = None) -> Policy:
    return policy(ingress=[{"from": [*peers]} | ({} if ports is None else {"ports": ports})])


SAME_NAME = {"namespaceSelector": labels(**{NAME_OF_SPACE: "team-a"})}

ROWS = [
    pytest.param([], True, id="nobody selects anything"),
    pytest.param([policy()], False, id="selected and no rules: default deny of ingress"),
    pytest.param([policy(ingress=[])], False, id="ingress: [] is the same"),
    pytest.param([policy(ingress=None)], False, id="ingress: null is the same"),
    pytest.param([policy(ingress=[{}])], True, id="ingress: [{}] lets everything in"),
    pytest.param([policy(ingress=[{"from": []}])], True, id="from: [] is everybody"),
    pytest.param([policy(ingress=[{"from": None}])], True, id="from: null is everybody"),
    pytest.param([policy(ingress=[{"from": [{}]}])], False, id="from: [{}] is nobody"),
    pytest.param([policy(ingress=[{"from": ["x"]}])], False, id="what is no peer does not become everybody"),
    pytest.param([policy(ingress=[{"ports": []}])], True, id="ports: [] is every port"),
    pytest.param([policy(podSelector=labels(app="web"))], True, id="another pod is selected"),
    pytest.param([policy(podSelector=labels(app="db"))], False, id="this pod is selected"),
    pytest.param([policy("team-c")], True, id="a policy holds in its own namespace only"),
    pytest.param([policy(podSelector=expression("app", "In", "db", "web"))], False, id="selected by In"),
    pytest.param([policy(podSelector=expression("app", "NotIn", "db"))], True, id="not selected by NotIn"),
    pytest.param([policy(podSelector=expression("gone", "NotIn", "x"))], False, id="NotIn holds without the label"),
    pytest.param([policy(podSelector=expression("app", "Exists"))], False, id="selected by Exists"),
    pytest.param([policy(podSelector=expression("app", "DoesNotExist"))], True, id="not selected by DoesNotExist"),
    pytest.param([policy(podSelector=labels(app="db") | expression("x", "Exists"))], True, id="both parts must hold"),
    # Peers.
    pytest.param([ingress({"podSelector": {}})], False, id="a pod selector alone means the policy's own namespace"),
    pytest.param([ingress({"namespaceSelector": {}})], True, id="an empty namespace selector is every namespace"),
    pytest.param([ingress({"namespaceSelector": labels(zone="blue")})], True, id="the namespace's label"),
    pytest.param([ingress({"namespaceSelector": labels(zone="red")})], False, id="another namespace's label"),
    pytest.param([ingress(SAME_NAME)], True, id="by the namespace's name"),
    pytest.param(
        [ingress({"namespaceSelector": labels(zone="blue"), "podSelector": labels(app="client")})],
        True,
        id="one peer, both selectors: and",
    ),
    pytest.param(
        [ingress({"namespaceSelector": labels(zone="blue"), "podSelector": labels(app="x")})],
        False,
        id="one peer, one of its selectors fails",
    ),
    pytest.param(
        [ingress({"namespaceSelector": labels(zone="blue")}, {"podSelector": labels(app="x")})],
        True,
        id="two peers: or",
    ),
    pytest.param([ingress({"ipBlock": {"cidr": "10.0.0.0/16"}})], True, id="inside the block"),
    pytest.param([ingress({"ipBlock": {"cidr": "10.9.0.0/16"}})], False, id="outside of the block"),
    pytest.param(
        [ingress({"ipBlock": {"cidr": "10.0.0.0/16", "except": ["10.0.1.0/24"]}})], False, id="in the exception"
    ),
    pytest.param([ingress({"ipBlock": {"cidr": "fd00::/8"}})], False, id="a block of the other family"),
    pytest.param([ingress({"ipBlock": {"cidr": "nonsense"}})], False, id="a block that is none"),
    # Ports.
    pytest.param([policy(ingress=[{"ports": [{"port": 7462}]}])], True, id="the port, by default TCP"),
    pytest.param([policy(ingress=[{"ports": [{"protocol": "UDP", "port": 7462}]}])], False, id="another protocol"),
    pytest.param([policy(ingress=[{"ports": [{"protocol": "TCP"}]}])], True, id="every port of the protocol"),
    pytest.param([policy(ingress=[{"ports": [{}]}])], True, id="an empty port is every port of TCP"),
    pytest.param([policy(ingress=[{"ports": [{"port": 80}]}])], False, id="another port"),
    pytest.param([policy(ingress=[{"ports": [{"port": 7000, "endPort": 8000}]}])], True, id="in the range"),
    pytest.param([policy(ingress=[{"ports": [{"port": 7463, "endPort": 8000}]}])], False, id="below the range"),
    pytest.param([policy(ingress=[{"ports": [{"port": 7000, "endPort": 7462}]}])], True, id="the range's last"),
    pytest.param([policy(ingress=[{"ports": [{"port": 7000, "endPort": 7461}]}])], False, id="above the range"),
    pytest.param([policy(ingress=[{"ports": [{"port": "beacon"}]}])], True, id="by the container's name for it"),
    pytest.param([policy(ingress=[{"ports": [{"port": "web"}]}])], False, id="the name of another port"),
    pytest.param([policy(ingress=[{"ports": [{"port": "nobody"}]}])], False, id="a name that nobody has"),
    pytest.param([policy(ingress=[{"ports": [{"port": 80}, {"port": 7462}]}])], True, id="one port of several"),
    pytest.param(
        [ingress({"namespaceSelector": {}}, ports=[{"port": 80}])], False, id="peers and ports must both hold"
    ),
    # Sides.
    pytest.param([policy(policyTypes=["Egress"])], True, id="a policy of egress says nothing about ingress"),
    pytest.param([policy("team-a")], True, id="without types it is about ingress, of the asker here"),
    pytest.param([policy("team-a", egress=[])], True, id="egress: [] without types does not isolate"),
    pytest.param([policy("team-a", policyTypes=["Egress"])], False, id="default deny of egress"),
    pytest.param([policy("team-a", egress=[{"to": [{"podSelector": {}}]}])], False, id="egress to its own only"),
    pytest.param([policy("team-a", egress=[{"to": [{"namespaceSelector": {}}]}])], True, id="egress to everybody"),
    pytest.param(
        [policy("team-a", egress=[{"to": [{"ipBlock": {"cidr": "10.0.2.7/32"}}]}])], True, id="egress to its address"
    ),
    pytest.param([policy("team-a", egress=[{"ports": [{"port": "beacon"}]}])], True, id="egress by the port's name"),
    pytest.param(
        [policy("team-a", egress=[{"ports": [{"protocol": "UDP", "port": 53}]}])], False, id="egress to DNS only"
    ),
    pytest.param(
        [policy("team-a", egress=[{}], policyTypes=["Ingress", "Egress"]), policy()], False, id="both sides must let it"
    ),
    # Several.
    pytest.param([policy(), policy(name="q", ingress=[{}])], True, id="what one denies another allows"),
    pytest.param([policy(), policy(name="q")], False, id="two that deny"),
]


@pytest.mark.parametrize(("policies", "open_"), ROWS)
def test_a_packet_passes_as_the_documentation_says(policies: list[Policy], open_: bool) -> None:
    assert reading(*policies).open is open_


def test_a_policy_must_hold_for_each_family() -> None:
    v4_only = ingress({"ipBlock": {"cidr": "0.0.0.0/0"}})

    assert reading(v4_only).open
    assert not reading(v4_only, family=Family.V6).open


def test_a_policy_of_tcp_leaves_udp_shut() -> None:
    tcp = policy(ingress=[{"ports": [{"port": 7462}]}])

    assert reading(tcp).open
    assert not reading(tcp, protocol="UDP").open
    assert reading(policy(ingress=[{"ports": [{"port": "beacon", "protocol": "UDP"}]}]), protocol="UDP").open


def test_a_pod_on_the_nodes_network_is_selected_by_nobody_and_meant_by_its_address_only() -> None:
    on_node = Pod("team-a", "agent", ASKER.labels, ("10.0.1.5",), host=True)

    assert reading(policy("team-a", policyTypes=["Egress"]), asker=on_node).open
    assert not reading(ingress({"namespaceSelector": {}}), asker=on_node).open
    assert reading(ingress({"ipBlock": {"cidr": "10.0.1.5/32"}}), asker=on_node).open


def test_an_empty_peer_means_nobody_at_home_either() -> None:
    neighbour = Pod("team-b", "own", {"app": "x"})

    assert not reading(policy(ingress=[{"from": [{}]}]), asker=neighbour).open
    assert reading(policy(ingress=[{"from": [{"podSelector": {}}]}]), asker=neighbour).open


def test_it_is_told_which_policies_select_and_which_rule_lets_in() -> None:
    shut = policy(name="shut")
    wide = policy(name="wide", ingress=[{"ports": [{"port": 80}]}, {"from": [{"podSelector": {}}, SAME_NAME]}])

    seen = reading(shut, wide)

    assert [one.name for one in seen.ingress.policies] == ["shut", "wide"]
    assert [(way.policy.name, way.side, way.number, way.peer) for way in seen.ingress.ways] == [
        ("wide", Side.INGRESS, 1, 1)
    ]
    assert seen.egress.policies == () and seen.egress.open
    assert seen.blockers == ()
    assert reading(shut).blockers == (shut,)


def test_what_ended_is_no_pod_and_what_has_no_name_no_policy() -> None:
    meta = {"namespace": "team-b", "name": "x"}

    assert netpol_object.pod({"metadata": meta, "status": {"phase": "Succeeded"}}) is None
    assert netpol_object.pod({"metadata": {"name": "x"}}) is None
    assert netpol_object.policy({"metadata": {"namespace": "team-b"}}) is None
    found = netpol_object.pod(
        {
            "metadata": meta | {"labels": {"a": "b", "c": 1}},
            "spec": {"hostNetwork": True, "containers": [{"ports": [{"name": "web", "containerPort": 80}]}]},
            "status": {"podIPs": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}]},
        }
    )
    assert found == Pod("team-b", "x", {"a": "b"}, ("10.0.0.1", "fd00::1"), (ContainerPort("web", 80),), host=True)


# Laws.

VALUES = st.sampled_from(["x", "y", "blue", "red", "client", "db"])
KEYS = st.sampled_from(["app", "zone", "tier", "env"])
SELECTORS: st.SearchStrategy[Dict] = st.one_of(
    st.just({}),
    st.dictionaries(KEYS, VALUES, min_size=1, max_size=2).map(lambda found: {"matchLabels": found}),
    st.tuples(KEYS, st.sampled_from(["In", "NotIn"]), VALUES).map(lambda row: expression(*row)),
    st.tuples(KEYS, st.sampled_from(["Exists", "DoesNotExist"])).map(lambda row: expression(*row)),
)
BLOCKS = st.sampled_from(["0.0.0.0/0", "10.0.0.0/8", "10.0.1.0/24", "10.0.9.0/24", "fd00::/8", "::/0"])
PEERS = st.one_of(
    SELECTORS.map(lambda one: {"podSelector": one}),
    SELECTORS.map(lambda one: {"namespaceSelector": one}),
    st.tuples(SELECTORS, SELECTORS).map(lambda two: {"namespaceSelector": two[0], "podSelector": two[1]}),
    BLOCKS.map(lambda one: {"ipBlock": {"cidr": one}}),
    st.tuples(BLOCKS, BLOCKS).map(lambda two: {"ipBlock": {"cidr": two[0], "except": [two[1]]}}),
)
PORTS = st.fixed_dictionaries(
    {},
    optional={
        "protocol": st.sampled_from(["TCP", "UDP"]),
        "port": st.sampled_from([80, 7462, 7000, "beacon", "web"]),
        "endPort": st.sampled_from([7461, 7462, 9000]),
    },
)


def rules(side: str) -> st.SearchStrategy[list[Dict]]:
    one = st.fixed_dictionaries({}, optional={side: st.lists(PEERS, max_size=3), "ports": st.lists(PORTS, max_size=2)})
    return st.lists(one, max_size=3)


POLICIES = st.builds(
    policy,
    st.sampled_from(["team-a", "team-b"]),
    st.sampled_from(["p", "q", "r"]),
    podSelector=SELECTORS,
    policyTypes=st.sampled_from([["Ingress"], ["Egress"], ["Ingress", "Egress"]]),
    ingress=rules("from"),
    egress=rules("to"),
)
PACKETS = st.builds(
    Packet,
    st.just(ASKER),
    st.just(TARGET),
    st.sampled_from([7462, 80, 8080]),
    st.sampled_from(["TCP", "UDP"]),
    st.sampled_from(Family),
)


@settings(max_examples=60, deadline=None)
@given(PACKETS, st.lists(POLICIES, max_size=4), rules("from"), rules("to"))
def test_one_more_rule_never_closes(packet: Packet, policies: list[Policy], more: list[Dict], out: list[Dict]) -> None:
    before = read(packet, policies, SPACES).open
    added = policy("team-b", "added", ingress=more, egress=out)

    wider = [
        Policy(
            one.namespace,
            one.name,
            one.pods,
            None if one.ingress is None else (*one.ingress, *(added.ingress or ())),
            None if one.egress is None else (*one.egress, *(added.egress or ())),
        )
        for one in policies
    ]

    assert read(packet, wider, SPACES).open >= before


@settings(max_examples=60, deadline=None)
@given(PACKETS, st.lists(POLICIES, max_size=4))
def test_one_more_policy_that_denies_everything_never_opens_what_somebody_selects(
    packet: Packet, policies: list[Policy]
) -> None:
    seen = read(packet, policies, SPACES)

    fenced = read(packet, [*policies, policy("team-b", "deny")], SPACES)

    assert fenced.open is (seen.open and bool(seen.ingress.policies))


@settings(max_examples=60, deadline=None)
@given(PACKETS)
def test_default_deny_on_either_side_closes(packet: Packet) -> None:
    assert not read(packet, [policy("team-b")], SPACES).open
    assert not read(packet, [policy("team-a", policyTypes=["Egress"])], SPACES).open


# What closes it.


def manifest(**spec: Any) -> Dict:
    metadata = {"namespace": "team-b", "name": "p", "resourceVersion": "7"}
    return {"metadata": metadata, "spec": TO_ALL | {"policyTypes": ["Ingress"]} | spec}


def carried_out(command: str, objects: list[Dict]) -> list[Dict]:
    """What kubectl would make of these objects."""
    if command.startswith("kubectl apply -f - <<<"):
        return [*objects, json.loads(shlex.split(command.partition("<<<")[2], comments=True)[0])]
    words = shlex.split(command)
    name = words[2].partition("/")[2]
    (found,) = (one for one in objects if one["metadata"]["name"] == name)
    patched = deepcopy(found)
    for step in json.loads(words[words.index("-p") + 1]):
        apply_step(patched, step)
    return [one for one in objects if one is not found] + [patched]


def apply_step(obj: Any, step: Dict) -> None:
    *way, last = step["path"].strip("/").split("/")
    for part in way:
        obj = obj[int(part)] if isinstance(obj, list) else obj[part]
    match step["op"]:
        case "test":
            assert obj[last] == step["value"]
        case "remove":
            del obj[int(last) if isinstance(obj, list) else last]
        case _:
            obj[last] = step["value"]


def read_all(packet: Packet, objects: list[Dict]) -> Reading:
    return read(packet, [found for one in objects if (found := netpol_object.policy(one))], SPACES)


FROM_ALL: Dict = {"namespaceSelector": {}}
HOLES = [
    pytest.param([], id="no policy"),
    pytest.param([manifest(ingress=[{}])], id="everybody"),
    pytest.param([manifest(ingress=[{"from": [FROM_ALL]}])], id="every namespace"),
    pytest.param([manifest(ingress=[{"from": [{"namespaceSelector": labels(zone="blue")}]}])], id="by label"),
    pytest.param(
        [manifest(ingress=[{"from": [{"namespaceSelector": expression("zone", "In", "blue")}]}])], id="by expression"
    ),
    pytest.param([manifest(ingress=[{"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}])], id="by address"),
    pytest.param(
        [manifest(ingress=[{"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}, {"podSelector": {}}]}])],
        id="by address, beside another",
    ),
    pytest.param(
        [
            manifest(
                ingress=[
                    {"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}, FROM_ALL, {"ipBlock": {"cidr": "0.0.0.0/0"}}]},
                    {"ports": [{"port": 7462}]},
                    {"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]},
                ]
            )
        ],
        id="all at once",
    ),
]


@pytest.mark.parametrize("objects", HOLES)
def test_what_is_proposed_closes_it_for_the_asker_and_for_nobody_else(objects: list[Dict]) -> None:
    packet = Packet(ASKER, TARGET, 7462)
    neighbour = Packet(Pod("team-b", "own", {"app": "x"}, ("192.168.7.9",)), TARGET, 7462)
    own_before = read_all(neighbour, objects).open

    for one in shuttings([read_all(packet, objects)]):
        objects = carried_out(one.command, objects)

    assert not read_all(packet, objects).open
    assert read_all(neighbour, objects).open is own_before


def test_the_last_peer_that_goes_takes_its_rule_with_it() -> None:
    """An empty list of peers would mean everybody."""
    objects = [manifest(ingress=[{"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}])]
    (shut,) = shuttings([read_all(Packet(ASKER, TARGET, 7462), objects)])

    (left,) = carried_out(shut.command, objects)

    assert left["spec"]["ingress"] == []
    assert "addresses" in " ".join(shut.notes)


def test_what_a_selector_required_is_still_required() -> None:
    selector = labels(env="prod") | expression("zone", "NotIn", "red")
    objects = [manifest(ingress=[{"from": [{"namespaceSelector": selector}]}])]
    (shut,) = shuttings([read_all(Packet(ASKER, TARGET, 7462), objects)])

    (left,) = carried_out(shut.command, objects)

    found = left["spec"]["ingress"][0]["from"][0]["namespaceSelector"]["matchExpressions"]
    assert [(row["key"], row["operator"]) for row in found] == [
        ("env", "In"),
        ("zone", "NotIn"),
        (NAME_OF_SPACE, "NotIn"),
    ]


def test_a_fence_says_what_else_it_keeps_out_and_the_usual_one_is_told_beside_it() -> None:
    (shut,) = shuttings([reading()])

    assert "outside of the cluster" in shut.notes[0]
    (usual,) = shut.instead
    (made,) = carried_out(usual, [])
    assert made["spec"]["ingress"] == [{"from": [{"podSelector": {}}]}]
    assert not read_all(Packet(ASKER, TARGET, 7462), [made]).open


def test_what_is_shut_needs_nothing_closed() -> None:
    assert shuttings([reading(policy())]) == ()
