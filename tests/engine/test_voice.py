"""Where a packet went, for people: whether it left our node is the first thing that they ask."""

import pytest

from sentinel.core.net.crossing import Family, Path, Protocol
from sentinel.core.net.net_gates import Way
from sentinel.core.net.net_plan import Role, Shot
from sentinel.core.net.roster import Beacon
from sentinel.engine.voice import Said

WAY = Way(Protocol.TCP, Family.V4, Path.POD)


@pytest.mark.parametrize(
    ("ours", "theirs", "told"),
    [
        ("n1", "n1", ", on n1"),
        ("n1", "n2", ", on another node than n1"),
        ("", "n2", ""),
        ("n1", "", ""),
    ],
)
def test_it_says_whether_the_pod_is_on_our_node(ours: str, theirs: str, told: str) -> None:
    beacon = Beacon("team-b", "team-b", "uid-b", 7462, ("10.0.2.7",), node=theirs)

    said = Said(Shot(Role.ASK, WAY, "10.0.2.7", 7462, 0.0, beacon), b"", b"", 0.0, ours)

    assert said.place() == f"10.0.2.7:7462, pod uid-b{told}"
