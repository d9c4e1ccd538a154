"""What a beacon of ours tells the witness: its key until it is known, and then, each second, what has arrived."""

import asyncio
import contextlib

import pytest
from prometheus_client import CollectorRegistry

from sentinel.core.net.challenge import KEY_BYTES, Refusal
from sentinel.core.net.crossing import Protocol
from sentinel.core.net.roster import Beacon, Roster
from sentinel.errors import Refused, Throttled, Unreachable
from sentinel.joins import beaconing
from sentinel.joins.beaconing import Directory, OwnBeacon
from sentinel.sinks.beacon import BeaconMetrics

PORT = 7462


class Witness:
    """What it is told, and when; it answers as the test wants."""

    def __init__(self):
        self.told = []
        self.ends = []
        self.rosters = []
        self.asked = []
        self.meanwhile = lambda told: None

    def _next(self):
        end = self.ends.pop(0) if self.ends else True
        if isinstance(end, Exception):
            raise end
        return end

    def _tell(self, what):
        self.told.append((round(asyncio.get_running_loop().time(), 1), what))

    async def register(self, key, port):
        assert (len(key), port) == (KEY_BYTES, PORT)
        self._tell("key")
        self._next()

    async def arrivals(self, challenges):
        self._tell(list(challenges))
        self.meanwhile(list(challenges))
        return self._next()

    async def roster(self, known=None, *, wait=False):
        assert wait
        self.asked.append(known.number)
        while not self.rosters:
            await asyncio.sleep(5)
        found = self.rosters.pop(0)
        if isinstance(found, Exception):
            raise found
        return found


def own():
    beacon = OwnBeacon("team-b", "uid-b", BeaconMetrics(CollectorRegistry()))
    beacon.listens = True
    return beacon


async def reporting(beacon, witness, seconds):
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await beacon.keep_reporting(witness, PORT)


@pytest.mark.looptime
async def test_the_key_comes_first_and_then_a_report_each_second_also_of_nothing():
    beacon, witness = own(), Witness()
    await reporting(beacon, witness, 2.5)

    assert witness.told == [(0.0, "key"), (0.0, []), (1.0, []), (2.0, [])]
    assert beacon.registered


@pytest.mark.looptime
async def test_who_does_not_listen_does_not_say_that_nothing_arrived():
    beacon, witness = own(), Witness()
    beacon.listens = False
    await reporting(beacon, witness, 5.0)
    assert witness.told == []

    beacon.listens = True
    await reporting(beacon, witness, 0.5)
    assert [what for _, what in witness.told] == ["key", []]


async def test_it_listens_exactly_while_it_is_served():
    beacon = OwnBeacon("team-b", "uid-b", BeaconMetrics(CollectorRegistry()))
    assert not beacon.listens
    async with beacon.serve(0, "127.0.0.1"):
        assert beacon.listens
    assert not beacon.listens


@pytest.mark.looptime
async def test_the_key_is_told_again_until_it_is_taken_and_ever_more_slowly():
    beacon, witness = own(), Witness()
    witness.ends = [Refused("not seen yet")] * 6
    await reporting(beacon, witness, 18.0)

    assert witness.told[:7] == [(time, "key") for time in (0.0, 0.5, 1.5, 3.5, 7.5, 12.5, 17.5)]
    assert beacon.registered


@pytest.mark.looptime
async def test_what_has_arrived_is_reported_once():
    beacon, witness = own(), Witness()
    beacon.arrived(b"one")
    beacon.arrived(b"two")
    await reporting(beacon, witness, 1.5)

    assert witness.told[1:] == [(0.0, [b"one", b"two"]), (1.0, [])]


@pytest.mark.looptime
async def test_a_report_that_failed_is_told_again_with_what_came_since():
    beacon, witness = own(), Witness()
    witness.ends = [True, Unreachable("gone")]
    beacon.arrived(b"one")

    async def later():
        await asyncio.sleep(0.1)
        beacon.arrived(b"two")

    await asyncio.gather(later(), reporting(beacon, witness, 1.0))

    assert witness.told[1:] == [(0.0, [b"one"]), (0.5, [b"one", b"two"])]


@pytest.mark.looptime
async def test_a_witness_that_has_forgotten_us_is_told_the_key_again_and_nothing_is_lost():
    beacon, witness = own(), Witness()
    witness.ends = [True, False]
    beacon.arrived(b"one")
    await reporting(beacon, witness, 1.5)

    assert witness.told == [(0.0, "key"), (0.0, [b"one"]), (1.0, "key"), (1.0, [b"one"])]


@pytest.mark.looptime
async def test_who_is_told_to_wait_waits():
    beacon, witness = own(), Witness()
    witness.ends = [True, Throttled("slower", 3.0)]
    await reporting(beacon, witness, 3.5)

    assert [time for time, _ in witness.told] == [0.0, 0.0, 3.0]


@pytest.mark.looptime
async def test_a_report_has_a_size_and_what_waits_has_an_end():
    beacon, witness = own(), Witness()
    for number in range(beaconing.MOST_WAITING + 10):
        beacon.arrived(number.to_bytes(4))
    await reporting(beacon, witness, 20.0)

    reports = [told for _, told in witness.told[1:]]
    assert max(map(len, reports)) == beaconing.MOST_REPORTED
    told = [int.from_bytes(one) for report in reports for one in report]
    assert told == list(range(10, beaconing.MOST_WAITING + 10))


@pytest.mark.looptime
async def test_what_pushes_others_out_while_a_report_is_under_way_is_not_lost(monkeypatch):
    monkeypatch.setattr(beaconing, "MOST_WAITING", 4)
    beacon, witness = own(), Witness()
    for one in (b"1", b"2", b"3", b"4"):
        beacon.arrived(one)

    def meanwhile(told):
        if told == [b"1", b"2", b"3", b"4"]:
            beacon.arrived(b"5")
            beacon.arrived(b"6")

    witness.meanwhile = meanwhile
    await reporting(beacon, witness, 1.5)

    assert [told for _, told in witness.told[1:]] == [[b"1", b"2", b"3", b"4"], [b"5", b"6"]]


BEACON = Beacon("team-a", "team-a", "uid-a", PORT, key=b"k" * 32)
LIGHT = Beacon("sentinel-system", "witness", "uid-w", PORT)


@pytest.mark.looptime
async def test_the_directory_is_the_last_roster_and_survives_a_witness_that_is_gone():
    directory, witness = Directory(), Witness()
    beacons = (BEACON,)
    witness.rosters = [
        Roster(1, beacons, LIGHT),
        Unreachable("gone"),
        Roster(1, beacons, LIGHT, heard={"uid-a": 3}),
        Roster(2, (), None),
    ]
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(1.2):
            await directory.keep(witness)
    assert (directory.find("uid-a"), directory.find("uid-w"), directory.find("x")) == (BEACON, LIGHT, None)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(10):
            await directory.keep(witness)

    assert witness.asked[:2] == [0, 1]
    assert directory.find("uid-a") is None
    assert directory.roster.number == 2


def test_every_label_is_there_from_the_start():
    registry = CollectorRegistry()
    metrics = BeaconMetrics(registry)
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in registry.collect()
        for sample in family.samples
    }

    for protocol in Protocol:
        assert samples["sentinel_beacon_answers_total", protocol.value] == 0
    for reason in Refusal:
        assert samples["sentinel_beacon_refusals_total", reason.value] == 0
    assert samples["sentinel_beacon_connections",] == 0
    metrics.answered(Protocol.UDP)
    metrics.refused(Refusal.FORGED)
    metrics.connections(3)
    assert registry.get_sample_value("sentinel_beacon_answers_total", {"protocol": "udp"}) == 1
    assert registry.get_sample_value("sentinel_beacon_refusals_total", {"reason": "forged"}) == 1
    assert registry.get_sample_value("sentinel_beacon_connections") == 3


def test_a_key_is_new_in_each_process_and_is_not_shown():
    first, second = own(), own()

    assert first.signer.public != second.signer.public
    assert "Signer" in repr(first.signer)
    assert first.signer.public.hex() not in repr(first)
