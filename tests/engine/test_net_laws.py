"""The laws of the network, over any sequence of what may happen to packets, pods and the witness: the real round, on virtual time."""

from collections import defaultdict
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel.core.net.crossing import Family, Path, Protocol
from sentinel.core.net.net_plan import Terms
from sentinel.core.record import series_of
from sentinel.core.standing import Turn
from sentinel.core.verdict import Reason, State
from tests.engine.net_scripted import ARRIVES, Fate, Net, gone_witness, keeping, on_virtual_time, pod

WAYS = [(protocol, family, path) for protocol in Protocol for family in Family for path in (Path.POD, Path.SERVICE)]
OURS = (Fate.NO_FILES, Fate.NO_ROUTE, Fate.LATE)
CHAPTER = st.fixed_dictionaries(
    {
        "default": st.sampled_from([Fate.SILENT] * 4 + [Fate.REFUSED] + [*Fate]),
        "fates": st.dictionaries(st.sampled_from(WAYS), st.sampled_from(Fate), max_size=3),
        "to_own": st.sampled_from([Fate.SERVED] * 6 + [Fate.SILENT, Fate.STOLEN, Fate.NO_FILES]),
        "to_lighthouse": st.sampled_from([Fate.SERVED] * 6 + [Fate.SILENT, Fate.FORGED, Fate.LATE]),
        "nobody": st.sampled_from([Fate.SILENT] * 6 + [Fate.TAKEN, Fate.NO_FILES, Fate.REFUSED]),
        "witness": st.sampled_from([None] * 6 + [gone_witness()]),
        "ready": st.sampled_from([True] * 5 + [False]),
        "neutral": st.sampled_from([True] * 8 + [False]),
        "reports": st.sampled_from([True] * 5 + [False]),
        "restarts": st.sampled_from([False] * 6 + [True]),
        "midway": st.sampled_from([""] * 5 + ["restart", "unready", "witness", "lighthouse", "own"]),
        "pods": st.sampled_from([1] * 4 + [2, 0]),
        "old": st.sampled_from([Fate.SERVED, Fate.SILENT]),
    }
)
STORIES = st.lists(CHAPTER, min_size=1, max_size=6)


def apply(net, chapter, lines):
    net.default = chapter["default"]
    net.policy = lambda asked, _: chapter["fates"].get((asked.protocol, asked.family, asked.path), chapter["default"])
    net.to_own, net.to_lighthouse, net.nobody = chapter["to_own"], chapter["to_lighthouse"], chapter["nobody"]
    net.witness, lines.fate = chapter["witness"], chapter["old"]
    net.pods[:] = [known(net, number) for number in range(1, chapter["pods"] + 1)]
    for one in net.pods:
        one.beacon = replace(one.beacon, ready=chapter["ready"], neutral=chapter["neutral"])
        one.reports = chapter["reports"]
        if chapter["restarts"]:
            net.restart(one)
    net.before_dial = midway(net, chapter["midway"])


def known(net, number):
    """The same pod whenever it comes back."""
    if not hasattr(net, "ever"):
        net.ever = {}
    return net.ever.setdefault(number, net.pods[number - 1] if number <= len(net.pods) else pod("team-b", number))


def midway(net, what):
    calls = [0]

    def before_dial():
        calls[0] += 1
        if calls[0] != 2:
            return
        match what:
            case "restart":
                for one in net.pods:
                    net.restart(one)
            case "unready":
                for one in net.pods:
                    one.beacon = replace(one.beacon, ready=False)
            case "witness":
                net.witness = gone_witness()
            case "lighthouse":
                net.to_lighthouse = Fate.SILENT
            case "own":
                net.to_own = Fate.SILENT

    return before_dial


def run(story, look):
    """Runs a story, one dictionary per round, looking after each."""

    async def told():
        net = Net(terms=Terms(("team-b",), attempts=1), careful=False)
        lines = keeping(net)
        for chapter in story:
            apply(net, chapter, lines)
            look(net, chapter, await net.rounds())
        return net

    return on_virtual_time(told())


def fate_of(chapter, question):
    return chapter["fates"].get((question.protocol, question.family, question.path), chapter["default"])


def untaken(question):
    """Nobody takes a datagram: where a proxy would accept a connection, it is silence."""
    return (Fate.TAKEN,) if question.protocol is Protocol.UDP else ()


RED: dict[str, dict[str, Any]] = {
    "own beacon": {"to_own": Fate.SILENT},
    "lighthouse": {"to_lighthouse": Fate.SILENT},
    "witness": {"witness": gone_witness()},
    "not ready": {"ready": False},
    "not neutral": {"neutral": False},
    "no reports": {"reports": False},
    "no pods": {"pods": 0},
    "proxied": {"nobody": Fate.GARBAGE},
    "restarted midway": {"midway": "restart"},
    "unready midway": {"midway": "unready"},
    "witness gone midway": {"midway": "witness"},
    "lighthouse gone midway": {"midway": "lighthouse"},
    "own beacon gone midway": {"midway": "own"},
}


@pytest.mark.parametrize("red", RED)
@settings(max_examples=10)
@given(story=st.lists(CHAPTER, min_size=1, max_size=4))
def test_law_no_red_gate_ever_gives_held(red, story):
    def look(net, _, records):
        assert State.HELD not in {r.verdict.state for r in records}
        assert not [series for series, since in net.last.breach_since.items() if since == 0.0]

    # Where it breaks midway, nothing else may keep the round from coming so far.
    well: dict[str, Any] = {"witness": None, "pods": 1} if "midway" in red else {}
    run([{**chapter, "midway": "", **well, **RED[red]} for chapter in story], look)


@given(STORIES)
def test_law_one_right_signed_answer_is_a_breach_whatever_the_gates(story):
    def look(net, chapter, records):
        for record in records:
            if record.question.path is Path.KEPT or net.round.usable is None:
                continue
            answered = fate_of(chapter, record.question) is Fate.SERVED and chapter["pods"] > 0
            was_asked = record.observation.place or record.observation.answer.value != "unasked"
            if answered and was_asked:
                assert record.verdict.state is State.BREACHED, (record.question, record.observation)
                assert net.book.standings[record.question].breach is not None

    run(story, look)


@given(STORIES)
def test_law_held_is_only_what_did_not_get_through_between_green_gates_and_was_reported_not_to_have(story):
    def look(net, chapter, records):
        for record in records:
            if record.verdict.state is not State.HELD or record.question.path is Path.KEPT:
                continue
            fate = fate_of(chapter, record.question)
            taken = untaken(record.question)
            assert fate in (Fate.SILENT, Fate.REFUSED, Fate.UNREACHABLE, Fate.FORBIDDEN, *taken), record.question
            assert chapter["ready"] and chapter["neutral"] and chapter["reports"] and chapter["pods"]
            assert chapter["witness"] is None and not chapter["midway"]
            # Who answers in others' place in these stories is our own beacon; there it is in its own.
            assert chapter["to_own"] in (Fate.SERVED, Fate.STOLEN)
            assert chapter["to_lighthouse"] is Fate.SERVED
            assert chapter["nobody"] in (Fate.SILENT, Fate.REFUSED, *taken)

    run(story, look)


@given(STORIES)
def test_law_what_is_our_own_fault_is_never_held_nor_a_breach(story):
    arrived_before: set[Any] = set()

    def look(_, chapter, records):
        for record in records:
            if fate_of(chapter, record.question) in OURS and record.question.path is not Path.KEPT:
                # What went out in a round before may be reported to have arrived in this one: that is no fault of ours.
                late = record.verdict.reason is Reason.ARRIVED and record.question in arrived_before
                assert late or record.verdict.state is State.INCONCLUSIVE, (record.question, record.observation)
        arrived_before.update(r.question for r in records if fate_of(chapter, r.question) in ARRIVES)

    run([{**c, "default": OURS[n % 3]} for n, c in enumerate(story)], look)


@given(STORIES)
def test_law_unattributed_is_never_without_a_live_target_and_nobody_at_nobodys_address(story):
    def look(_, chapter, records):
        for record in records:
            if record.verdict.reason is Reason.UNATTRIBUTED:
                assert record.verdict.state is State.BREACHED
                assert chapter["ready"] and chapter["pods"] and chapter["witness"] is None
                assert chapter["midway"] not in ("restart", "unready", "witness")
                assert chapter["nobody"] in (Fate.SILENT, Fate.REFUSED, *untaken(record.question))
                assert fate_of(chapter, record.question) in (Fate.TAKEN, Fate.GARBAGE, Fate.FORGED)

    run(story, look)


@given(STORIES)
def test_law_a_breach_is_only_what_got_through(story):
    arrived_before: set[Any] = set()

    def look(net, chapter, records):
        for record in records:
            if record.verdict.state is not State.BREACHED or record.question.path is Path.KEPT:
                continue
            fate = fate_of(chapter, record.question)
            late = record.verdict.reason is Reason.ARRIVED and record.question in arrived_before
            assert late or fate in (*ARRIVES, Fate.TAKEN, Fate.GARBAGE, Fate.FORGED), (record.question, fate)
        arrived_before.update(r.question for r in records if fate_of(chapter, r.question) in ARRIVES)

    run(story, look)


@settings(max_examples=60)
@given(st.lists(CHAPTER, min_size=2, max_size=8))
def test_law_no_breach_closes_without_two_proofs_of_that_question_in_a_row(story):
    history: defaultdict[Any, list[State]] = defaultdict(list)
    opened: dict[Any, int] = {}

    def look(net, _, records):
        in_this_round = defaultdict(list)
        for record in records:
            in_this_round[record.question].append(record)
        for question, told in in_this_round.items():
            history[question].append(max((r.verdict.state for r in told), key=[*State].index))
            for record in told:
                if record.change is not None and record.change.turn is Turn.OPENED:
                    opened.setdefault(question, len(history[question]))
                if record.change is not None and record.change.turn is Turn.CLOSED:
                    assert [r.verdict.state for r in told] == [State.HELD]
                    assert history[question][-2:] == [State.HELD, State.HELD]
                    assert len(history[question]) - opened.pop(question) >= 2
        for question in opened:
            assert net.book.standings[question].breach is not None
            series = series_of(question)
            assert net.last.breach_since.get(series) != 0.0

    run(story, look)


@settings(max_examples=20)
@given(STORIES)
def test_law_after_any_story_proof_alone_brings_back_the_quiet_state(story):
    quiet = {
        "default": Fate.SILENT,
        "fates": {},
        "to_own": Fate.SERVED,
        "to_lighthouse": Fate.SERVED,
        "nobody": Fate.SILENT,
        "witness": None,
        "ready": True,
        "neutral": True,
        "reports": True,
        "restarts": False,
        "midway": "",
        "pods": 1,
        "old": Fate.SILENT,
    }
    net = run([*story, *[quiet] * 8], lambda *_: None)

    assert not any(net.last.breach_since.values()) and not any(net.last.unattributed.values())
    assert not net.last.inconclusive and net.last.coverage == 1.0
    assert all(row.light.up for row in net.last.gates)
