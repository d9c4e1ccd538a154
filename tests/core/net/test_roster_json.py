"""The roster on its way from the witness to a sentinel: JSON that loses nothing, and whose nonsense raises nothing."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.core.net import roster_json
from sentinel.core.net.crossing import Protocol
from sentinel.core.net.roster import Arrival, Beacon, Roster

names = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True)
seconds = st.floats(0, 2e9)
addresses = st.lists(st.ip_addresses().map(str), max_size=4).map(tuple)
beacons = st.builds(
    Beacon,
    target=names,
    tenant=names,
    uid=names,
    port=st.integers(1, 65535),
    addresses=addresses,
    services=addresses,
    key=st.just(b"") | st.binary(min_size=32, max_size=32),
    ready=st.booleans(),
    since=seconds,
    born=seconds,
    node=names,
    host=st.ip_addresses().map(str),
    neutral=st.booleans(),
)
arrivals = st.builds(
    Arrival, target=names, uid=names, nonce=st.binary(min_size=16, max_size=16), protocol=st.sampled_from(Protocol)
)
rosters = st.builds(
    Roster,
    number=st.integers(1, 2**60),
    beacons=st.lists(beacons, max_size=4).map(tuple),
    lighthouse=st.none() | beacons,
    heard=st.dictionaries(names, st.integers(0, 2**40), max_size=4),
    arrivals=st.lists(arrivals, max_size=4).map(tuple),
    refused=st.lists(names, max_size=3).map(tuple),
    life=names,
    askers=st.lists(
        st.builds(
            Beacon,
            target=names,
            tenant=names,
            uid=names,
            port=st.just(0),
            key=st.binary(min_size=32, max_size=32),
        ),
        max_size=3,
    ).map(tuple),
)
ONE = Roster(
    7,
    (Beacon("team-b", "team-b", "u-1", 7462, ("10.0.0.5",), (), b"k" * 32, ready=True),),
    Beacon("sentinel-system", "", "u-0", 7462, key=b"l" * 32),
    {"u-1": 3},
    (Arrival("team-b", "u-1", b"n" * 16, Protocol.UDP),),
    ("team-b 127.0.0.1: loopback",),
    "life",
    (Beacon("team-b", "team-b", "u-2", 0, key=b"m" * 32),),
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda more: st.lists(more, max_size=3) | st.dictionaries(st.text(max_size=5), more, max_size=3),
    max_leaves=8,
)


def body(roster, after=-1):
    return json.dumps(roster_json.written(roster, after=after)).encode()


@given(rosters)
def test_what_is_read_is_what_was_written(roster):
    assert roster_json.parse(body(roster), Roster()) == roster


@given(rosters, rosters)
def test_where_the_number_is_the_same_only_reports_and_arrivals_are_sent(roster, later):
    later = replace(roster, heard=later.heard, arrivals=later.arrivals)

    assert set(roster_json.written(later, after=roster.number)) == {"number", "life", "heard", "arrivals"}
    assert roster_json.parse(body(later, after=roster.number), roster) == later


def test_a_roster_that_leaves_out_what_we_do_not_know_is_none():
    assert roster_json.parse(body(ONE, after=7), replace(ONE, number=6)) is None
    assert roster_json.parse(body(ONE, after=7), replace(ONE, life="another")) is None


@given(st.binary(max_size=200) | ANYTHING.map(lambda found: json.dumps(found).encode()))
def test_nonsense_is_no_roster_and_raises_nothing(said):
    assert roster_json.parse(said, Roster()) is None


PLACES = [(key,) for key in roster_json.written(ONE)] + [
    *(("beacons", 0, key) for key in roster_json.written(ONE)["beacons"][0]),
    *(("lighthouse", key) for key in ("key", "port", "ready")),
    *(("askers", 0, at) for at in (0, 1, 2, 3)),
    *(("arrivals", 0, key) for key in ("target", "uid", "nonce", "protocol")),
]


@pytest.mark.parametrize("place", PLACES, ids=lambda place: ".".join(map(str, place)))
@given(wrong=ANYTHING)
def test_nonsense_in_any_one_place_raises_nothing_and_gets_no_further(place, wrong):
    found = roster_json.written(ONE)
    *way, last = place
    inner = found
    for step in way:
        inner = inner[step]
    inner[last] = wrong

    parsed = roster_json.parse(json.dumps(found).encode(), Roster())

    assert parsed is None or roster_json.written(parsed) == json.loads(json.dumps(found))


@pytest.mark.parametrize(
    "wrong",
    [
        {"port": 65536},
        {"port": -1},
        {"port": True},
        {"key": "c2hvcnQ="},
        {"since": float("nan")},
        {"since": True},
        {"uid": "u" * 300},
        {"uid": "two\nlines"},
        {"addresses": ["10.0.0.1"] * 9},
        {"addresses": "10.0.0.1"},
        {"ready": 1},
    ],
)
def test_what_is_not_as_agreed_is_no_roster(wrong):
    found = roster_json.written(ONE)
    found["beacons"][0] |= wrong

    assert roster_json.parse(json.dumps(found).encode(), Roster()) is None


def test_a_roster_longer_than_any_cluster_needs_is_none(monkeypatch):
    monkeypatch.setattr(roster_json, "MOST_BEACONS", 2)
    many = replace(ONE, beacons=ONE.beacons * 3, heard={})

    assert roster_json.parse(body(many), Roster()) is None
    assert roster_json.parse(body(replace(many, beacons=ONE.beacons * 2)), Roster()) is not None


@pytest.mark.parametrize("text", [None, 5, [], "", "!", "AAAA", "é", "A" * 44 + "="])
def test_what_is_no_key_is_none(text):
    assert roster_json.key_of(text) is None
