"""A round over the network, on virtual time: what is held, what is a breach, and what is neither."""

import itertools
from dataclasses import replace

import pytest

from sentinel.core.net.crossing import Family, Path, Protocol
from sentinel.core.net.net_plan import Terms
from sentinel.core.record import Series
from sentinel.core.standing import Turn
from sentinel.core.verdict import Reason, State
from tests.engine.net_scripted import Fate, Net, crossing, gone_witness, on_virtual_time, pod


def verdicts(records):
    return {record.verdict.state for record in records}


def reasons(records):
    return {record.verdict.reason for record in records if record.verdict.state is not State.HELD}


def test_what_is_dropped_between_green_controls_and_reported_as_not_arrived_is_held():
    async def scene():
        net = Net()
        records = await net.rounds()

        assert verdicts(records) == {State.HELD}
        assert {r.question for r in records} == {
            crossing(protocol=protocol, family=family, path=path)
            for protocol in Protocol
            for family in Family
            for path in (Path.POD, Path.SERVICE)
            if (family, path) != (Family.V6, Path.SERVICE)  # no v6 address of the Service there
        }
        assert all(row.light.up for row in net.last.gates)
        assert net.last.not_applicable == {"team-b": ("service v6",)}

    on_virtual_time(scene())


@pytest.mark.parametrize("fate", [Fate.REFUSED, Fate.UNREACHABLE, Fate.FORBIDDEN])
def test_what_is_refused_is_held_as_well(fate):
    async def scene():
        assert verdicts(await Net(default=fate).rounds()) == {State.HELD}

    on_virtual_time(scene())


@pytest.mark.parametrize("path", [Path.POD, Path.SERVICE])
@pytest.mark.parametrize("family", [Family.V4, Family.V6])
@pytest.mark.parametrize("protocol", [*Protocol])
def test_every_opening_is_a_breach_of_its_own_way_and_of_no_other(protocol, family, path):
    async def scene():
        net = Net()
        assert net.lighthouse is not None
        for number, one in enumerate((*net.everybody, net.lighthouse)):
            one.beacon = replace(one.beacon, services=(*one.beacon.services, f"fd00:5::{number + 1:x}"))
        net.policy = lambda asked, _: (
            Fate.SERVED if (asked.protocol, asked.family, asked.path) == (protocol, family, path) else Fate.SILENT
        )
        records = await net.rounds()

        open_ = [r for r in records if r.verdict.state is State.BREACHED]
        assert [r.question for r in open_] == [crossing(protocol=protocol, family=family, path=path)]
        assert open_[0].verdict.reason is Reason.SERVED
        assert "pod team-b-1" in open_[0].observation.place and open_[0].observation.audit_id
        assert verdicts(r for r in records if r not in open_) == {State.HELD}

    on_virtual_time(scene())


def test_an_answer_is_published_at_once_and_not_when_the_round_ends():
    async def scene():
        net = Net(default=Fate.SERVED)
        times: list[float] = []
        net.book.sinks = (*net.book.sinks, Stopwatch(net, times))
        start = net.clock.monotonic()
        await net.round.run()

        assert min(times) - start < 2.0  # the first third of the spread, and not after the reports

    on_virtual_time(scene())


def test_one_pod_of_several_that_is_open_is_a_breach():
    async def scene():
        net = Net(pods=[pod("team-b", number) for number in (1, 2, 3)])
        net.policy = lambda asked, _: Fate.SERVED if asked.beacon == "team-b-3" else Fate.SILENT
        records = await net.rounds()

        assert {r.observation.place.rpartition(" ")[2] for r in records if r.verdict.state is State.BREACHED} == {
            "team-b-3"
        }

    on_virtual_time(scene())


def test_a_hole_of_one_socket_in_a_round_is_a_breach():
    async def scene():
        net = Net()
        count = [0]

        def policy(asked, _):
            count[0] += asked.protocol is Protocol.TCP
            return Fate.SERVED if count[0] == 5 and asked.protocol is Protocol.TCP else Fate.SILENT

        net.policy = policy
        records = await net.rounds()

        assert [r.verdict.state for r in records].count(State.BREACHED) == 1

    on_virtual_time(scene())


def test_a_breach_closes_after_two_rounds_of_proof():
    async def scene():
        net = Net(default=Fate.SERVED)
        await net.rounds()
        net.default = Fate.SILENT
        await net.rounds()
        series = Series("net/tcp", "self", "team-b")
        assert net.last.breach_since[series] > 0

        records = await net.rounds()

        assert {r.change.turn for r in records if r.change} == {Turn.CLOSED}
        assert net.last.breach_since[series] == 0.0

    on_virtual_time(scene())


def test_what_arrived_there_is_a_breach_though_nothing_came_back():
    async def scene():
        net = Net()
        net.policy = lambda asked, _: Fate.ONE_WAY if asked.protocol is Protocol.UDP else Fate.SILENT
        records = await net.rounds()

        open_ = [r for r in records if r.verdict.state is State.BREACHED]
        assert {r.verdict.reason for r in open_} == {Reason.ARRIVED}
        assert {r.question.check for r in open_} == {"net/udp"}
        assert net.last.breach_since[Series("net/udp", "self", "team-b")] > 0

    on_virtual_time(scene())


def test_a_report_that_comes_a_round_late_still_opens():
    async def scene():
        net = Net()
        net.policy = lambda asked, _: Fate.ONE_WAY if asked.protocol is Protocol.UDP else Fate.SILENT
        net.pods[0].reports = False
        first = await net.rounds()
        assert State.BREACHED not in verdicts(first)

        net.policy, net.pods[0].reports = None, True
        second = await net.rounds()

        assert Reason.ARRIVED in reasons(second)

    on_virtual_time(scene())


@pytest.mark.parametrize("fate", [Fate.TAKEN, Fate.GARBAGE, Fate.FORGED])
def test_a_connection_that_nobody_signed_for_is_an_unattributed_breach(fate):
    async def scene():
        net = Net()
        net.policy = lambda asked, _: fate if asked.protocol is Protocol.TCP else Fate.SILENT
        records = await net.rounds()

        assert reasons(records) == {Reason.UNATTRIBUTED}
        assert net.last.unattributed["net/tcp", "team-b"] > 0
        assert not any(net.last.breach_since.values())

    on_virtual_time(scene())


def test_an_unattributed_breach_ends_in_its_own_series():
    async def scene():
        net = Net()
        net.policy = lambda asked, _: Fate.TAKEN if asked.protocol is Protocol.TCP else Fate.SILENT
        await net.rounds()
        net.policy = None
        await net.rounds(2)

        assert net.last.unattributed == {("net/tcp", "team-b"): 0.0}
        assert net.last.breach_since[Series("net/tcp", "self", "team-b")] == 0.0

    on_virtual_time(scene())


def test_behind_a_proxy_that_takes_everything_nothing_is_known():
    async def scene():
        net = Net(nobody=Fate.TAKEN)
        net.policy = lambda asked, _: Fate.TAKEN if asked.protocol is not Protocol.UDP else Fate.SILENT
        records = await net.rounds()

        tcp = [r for r in records if r.question.check != "net/udp"]
        assert verdicts(tcp) == {State.INCONCLUSIVE} and reasons(tcp) == {Reason.PROXIED}

    on_virtual_time(scene())


def test_an_answer_that_somebody_else_signed_says_nothing_of_the_target():
    async def scene():
        net = Net(default=Fate.STOLEN)
        records = await net.rounds()

        assert verdicts(records) == {State.INCONCLUSIVE} and reasons(records) == {Reason.MOVED}

    on_virtual_time(scene())


BENIGN = {
    "the witness is gone": (lambda net: setattr(net, "witness", gone_witness()), {Reason.ROSTER}),
    "the lighthouse is dead": (lambda net: setattr(net, "to_lighthouse", Fate.SILENT), {Reason.LIGHTHOUSE}),
    "there is no lighthouse": (lambda net: setattr(net, "lighthouse", None), {Reason.LIGHTHOUSE}),
    "our own beacon is deaf": (lambda net: setattr(net, "to_own", Fate.SILENT), {Reason.BEACON}),
    "our own egress is cut": (
        lambda net: setattr(net, "to_lighthouse", Fate.NO_ROUTE),
        {Reason.LIGHTHOUSE},
    ),
    "the target is not ready": (lambda net: change(net, ready=False), {Reason.LIVE}),
    "the target is gone": (lambda net: net.pods.clear(), {Reason.LIVE}),
    "the target has no key yet": (lambda net: change(net, key=b""), {Reason.LIVE}),
    "a policy of ours selects the target": (lambda net: change(net, neutral=False), {Reason.NEUTRAL}),
    "a policy of ours selects us": (
        lambda net: setattr(net.own, "beacon", replace(net.own.beacon, neutral=False)),
        {Reason.NEUTRAL},
    ),
    "the target does not report": (lambda net: setattr(net.pods[0], "reports", False), {Reason.ARRIVALS}),
    "we have no files": (lambda net: setattr(net, "default", Fate.NO_FILES), {Reason.UNASKED}),
    "there is no route": (lambda net: setattr(net, "default", Fate.NO_ROUTE), {Reason.UNASKED}),
    "our own loop is late": (lambda net: setattr(net, "default", Fate.LATE), {Reason.UNASKED}),
    "the witness does not know us": (
        lambda net: setattr(net.own, "beacon", replace(net.own.beacon, key=b"")),
        {Reason.ROSTER},
    ),
}


class Stopwatch:
    """A sink that notes when it was told."""

    def __init__(self, net, times):
        self._net, self._times = net, times

    def put(self, record):
        self._times.append(self._net.clock.monotonic())

    def end_round(self, report):
        pass


def change(net, **what):
    net.pods[0].beacon = replace(net.pods[0].beacon, **what)


@pytest.mark.parametrize("after", [0, 1], ids=["from the start", "after it was held"])
@pytest.mark.parametrize("name", BENIGN)
def test_a_disturbance_is_neither_held_nor_a_breach(name, after):
    async def scene():
        disturb, expected = BENIGN[name]
        net = Net()
        await net.rounds(after)
        disturb(net)
        records = await net.rounds()

        assert records and verdicts(records) == {State.INCONCLUSIVE}, name
        assert reasons(records) == expected
        assert expected & net.last.inconclusive["team-b"]
        assert State.HELD not in verdicts(await net.rounds(3))

    on_virtual_time(scene())


def during(net, what):
    """Do something once, in the middle of the next dial of questions."""
    calls = [0]

    def before_dial():
        calls[0] += 1
        if calls[0] == 2:
            what()

    net.before_dial = before_dial


MIDWAY = {
    "the target restarts": (lambda net: net.restart(net.pods[0]), Reason.LIVE),
    "the target is another pod now": (lambda net: net.pods.__setitem__(0, pod("team-b", 2)), Reason.LIVE),
    "the target's address is another's": (lambda net: change(net, addresses=("10.9.9.9", "fd00::9")), Reason.LIVE),
    "the witness goes away": (lambda net: setattr(net, "witness", gone_witness()), Reason.ROSTER),
    "the lighthouse dies": (lambda net: setattr(net, "to_lighthouse", Fate.SILENT), Reason.LIGHTHOUSE),
    "our own beacon dies": (lambda net: setattr(net, "to_own", Fate.REFUSED), Reason.BEACON),
    "a policy of ours comes": (lambda net: change(net, neutral=False), Reason.NEUTRAL),
    "the witness restarts and counts anew": (
        lambda net: setattr(net.pods[0], "started", net.clock.monotonic()),
        Reason.ARRIVALS,
    ),
}


@pytest.mark.parametrize("name", MIDWAY)
def test_what_breaks_between_the_controls_spoils_the_proof(name):
    async def scene():
        disturb, expected = MIDWAY[name]
        net = Net()
        await net.rounds(2)
        during(net, lambda: disturb(net))
        records = await net.rounds()

        assert verdicts(records) == {State.INCONCLUSIVE} and reasons(records) == {expected}, name

    on_virtual_time(scene())


def test_a_breach_is_not_closed_by_a_target_that_vanishes():
    async def scene():
        net = Net(default=Fate.SERVED)
        await net.rounds()
        net.pods.clear()
        await net.rounds(100)

        assert net.last.breach_since[Series("net/tcp", "self", "team-b")] > 0
        assert net.last.inconclusive["team-b"] == {Reason.LIVE}

    on_virtual_time(scene())


def test_what_is_no_longer_configured_closes_after_a_quarter_of_an_hour_and_says_so():
    async def scene():
        net = Net(default=Fate.SERVED)
        await net.rounds()
        net.pods.clear()
        net.round.terms = Terms(())
        await net.rounds(89)
        assert net.last.breach_since[Series("net/tcp", "self", "team-b")] > 0

        await net.rounds(3)

        turns = [r.change.turn for r in net.ledger.records if r.change is not None]
        assert turns.count(Turn.FORGOTTEN) == turns.count(Turn.OPENED) > 0
        assert Turn.CLOSED not in turns
        assert net.last.breach_since[Series("net/tcp", "self", "team-b")] == 0.0

    on_virtual_time(scene())


def test_with_an_old_roster_nothing_is_proven_and_what_answers_is_still_a_breach():
    async def scene():
        net = Net()
        await net.rounds()
        net.witness, net.default = gone_witness(), Fate.SERVED
        records = await net.rounds()
        assert verdicts(records) == {State.BREACHED}

        net.default = Fate.SILENT
        assert verdicts(await net.rounds()) == {State.INCONCLUSIVE}

    on_virtual_time(scene())


def test_addresses_that_may_be_somebody_elses_by_now_are_not_connected_to():
    async def scene():
        net = Net()
        await net.rounds()
        net.witness = gone_witness()
        await net.rounds(7)
        net.dialled.clear()
        records = await net.rounds()

        assert not net.dialled and reasons(records) == {Reason.ROSTER}

    on_virtual_time(scene())


def test_a_socket_that_got_through_is_a_breach_whatever_the_gates():
    async def scene():
        net = Net(default=Fate.SERVED, to_own=Fate.SILENT, to_lighthouse=Fate.SILENT, nobody=Fate.TAKEN)
        change(net, ready=False, neutral=False)
        net.pods[0].reports = False
        records = await net.rounds()

        assert verdicts(records) == {State.BREACHED} and reasons(records) == {Reason.SERVED}

    on_virtual_time(scene())


def test_controls_that_are_red_do_not_make_the_round_longer():
    async def scene():
        net = Net(to_own=Fate.SILENT, to_lighthouse=Fate.SILENT)
        await net.rounds(2)

        assert net.last.took < net.round.period

    on_virtual_time(scene())


def test_whatever_opens_meets_a_socket_within_a_round_and_a_second():
    async def scene():
        net = Net()
        times = []
        way = (Protocol.TCP, Family.V4, Path.POD)

        def policy(asked, _):
            if (asked.protocol, asked.family, asked.path) == way:
                times.append(net.clock.monotonic())
            return Fate.SILENT

        net.policy = policy
        await net.rounds(20)

        assert len(times) == 60
        assert max(b - a for a, b in itertools.pairwise(times)) <= net.terms.every + 1.0

    on_virtual_time(scene())


def test_whoever_takes_a_connection_needs_no_lighthouse_to_be_seen():
    async def scene():
        net = Net(to_lighthouse=Fate.SILENT)
        net.policy = lambda asked, _: Fate.TAKEN if asked.protocol is Protocol.TCP else Fate.SILENT
        records = await net.rounds()

        tcp = [r for r in records if r.question.check == "net/tcp"]
        assert verdicts(tcp) == {State.BREACHED} and reasons(tcp) == {Reason.UNATTRIBUTED}

    on_virtual_time(scene())


def test_one_socket_that_somebody_else_answers_hides_none_that_the_target_answers():
    async def scene():
        net = Net()
        answers = [Fate.STOLEN, Fate.SILENT, Fate.SERVED]

        def policy(asked, _):
            first = (asked.protocol, asked.family, asked.path) == (Protocol.TCP, Family.V4, Path.POD)
            return answers.pop(0) if first and answers else Fate.SILENT

        net.policy = policy
        records = await net.rounds()

        assert [r.verdict.reason for r in records if r.question == crossing()] == [Reason.SERVED]

    on_virtual_time(scene())
