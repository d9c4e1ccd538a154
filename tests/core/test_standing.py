"""Standing: a breach is opened by one answer and closed by two rounds of proof, and by nothing else."""

import pytest

from sentinel.core.answer import Answer, Observation
from sentinel.core.standing import Standing, Turn, advance
from sentinel.core.verdict import Reason, State, Verdict

HELD = Verdict(State.HELD, Reason.DENIED)
OPEN = Verdict(State.BREACHED, Reason.SERVED)
BLIND = Verdict(State.INCONCLUSIVE, Reason.CANARY)
WANTED = Verdict(State.HELD, Reason.ALLOWED, "team-a->team-b")
LETTERS = {"h": HELD, "b": OPEN, "?": BLIND, "w": WANTED}


def story(letters, latent=""):
    """Rounds one after another, at 10 s each; a digit repeats the round before it: `h1` is held twice in round 1."""
    standing, turns, round_ = Standing(), [], 0
    for place, letter in enumerate(letters):
        round_ += 0 if letter.isupper() else 1
        verdict = LETTERS[letter.lower()]
        missing = place < len(latent) and latent[place] == "x"
        seen = Observation(Answer.DENIED, 10.0 * (place + 1), code=403, audit_id=f"a-{place + 1}", latent=missing)
        standing, change = advance(standing, verdict, seen, round_)
        turns.append(change.turn.value if change else "-")
    return standing, turns


# h: held, b: served, ?: a gate was red, w: let in, and an exception wants it. A capital letter is a second answer in the same round.
@pytest.mark.parametrize(
    ("rounds", "turns", "state"),
    [
        pytest.param("h", "proven", State.HELD, id="a-first-proof-is-news"),
        pytest.param("hh", "proven -", State.HELD, id="a-second-is-not"),
        pytest.param("?", "-", State.INCONCLUSIVE, id="who-never-saw-is-not-blinded"),
        pytest.param("h?", "proven blinded", State.INCONCLUSIVE, id="who-saw-is"),
        pytest.param("h??", "proven blinded -", State.INCONCLUSIVE, id="once"),
        pytest.param("h?h", "proven blinded proven", State.HELD, id="and-sees-again"),
        pytest.param("b", "opened", State.BREACHED, id="one-answer-opens"),
        pytest.param("hb", "proven opened", State.BREACHED, id="whatever-was-proven-before"),
        pytest.param("bbb", "opened - -", State.BREACHED, id="a-breach-opens-once"),
        pytest.param("bh", "opened -", State.BREACHED, id="one-denial-does-not-close"),
        pytest.param("bhh", "opened - closed", State.HELD, id="two-do"),
        pytest.param("b??????", "opened - - - - - -", State.BREACHED, id="blindness-never-closes"),
        pytest.param("bh?h", "opened - - -", State.BREACHED, id="blindness-in-between-starts-over"),
        pytest.param("bh?hh", "opened - - - closed", State.HELD, id="and-then-two-more-are-needed"),
        pytest.param("bhbh", "opened - - -", State.BREACHED, id="a-breach-in-between-starts-over"),
        pytest.param("bhH", "opened - -", State.BREACHED, id="two-denials-in-one-round-are-one"),
        pytest.param("bhHh", "opened - - closed", State.HELD, id="the-next-round-closes"),
        pytest.param("hhhb?h", "proven - - opened - -", State.BREACHED, id="old-proofs-do-not-count"),
        pytest.param("bhhb", "opened - closed opened", State.BREACHED, id="it-may-open-again"),
        pytest.param("w", "proven", State.HELD, id="what-is-wanted-is-held"),
        pytest.param("bw", "opened -", State.BREACHED, id="one-look-at-an-exception-does-not-close"),
        pytest.param("bww", "opened - allowed", State.HELD, id="two-do-and-it-is-said-that-this-is-no-proof"),
        pytest.param("bwW", "opened - -", State.BREACHED, id="two-looks-in-one-round-are-one"),
        pytest.param("bw?w", "opened - - -", State.BREACHED, id="nor-with-blindness-in-between"),
        pytest.param("wwb", "proven - opened", State.BREACHED, id="what-is-wanted-no-more-opens"),
    ],
)
def test_what_a_sequence_of_rounds_leads_to(rounds, turns, state):
    standing, found = story(rounds)

    assert " ".join(found) == turns
    assert standing.state is state


def test_a_breach_keeps_its_first_evidence_and_its_latest():
    standing, _ = story("hb?b")

    breach = standing.breach
    assert (breach.since, breach.last) == (20.0, 40.0)
    assert breach.audit_id == "a-2"


def test_the_exposure_window_begins_at_the_last_proof():
    standing, _ = story("hh?b")

    assert standing.breach.closed_before == 20.0


def test_a_breach_never_proven_shut_before_says_so():
    standing, _ = story("?b")

    assert standing.breach.closed_before is None


def test_while_a_breach_stands_its_reason_is_told_and_not_the_last_answers():
    standing, _ = story("b?")

    assert (standing.state, standing.reason) == (State.BREACHED, Reason.SERVED)
    assert standing.verdict == BLIND


def test_since_is_the_moment_belief_turned():
    assert story("hhh")[0].since == 10.0
    assert story("hh??")[0].since == 30.0
    assert story("hb?h")[0].since == 20.0
    assert story("hbhh")[0].since == 40.0


def test_last_proven_is_the_last_denial_and_last_conclusive_any_proof():
    standing, _ = story("hhb?")

    assert standing.last_proven == 20.0
    assert standing.last_conclusive == 30.0
    assert standing.last_asked == 40.0


def test_the_change_that_closes_carries_the_breach_and_its_end():
    standing, _ = story("bh")
    _, change = advance(standing, HELD, Observation(Answer.DENIED, 99.0), 3)

    assert change is not None and change.breach is not None
    assert change.turn is Turn.CLOSED
    assert (change.breach.since, change.breach.ended) == (10.0, 99.0)


@pytest.mark.parametrize(
    ("latent", "count"),
    [("x", 1), ("xx", 2), ("x.", 0), ("x.x", 1), ("", 0)],
)
def test_a_missing_role_counts_only_while_it_lasts(latent, count):
    standing, _ = story("h" * max(1, len(latent)), latent)

    assert standing.latent == count


def test_advancing_is_a_function_of_its_arguments_alone():
    before, _ = story("hb?")
    seen = Observation(Answer.DENIED, 77.0)

    assert advance(before, HELD, seen, 4) == advance(before, HELD, seen, 4)
    assert before == story("hb?")[0]


def test_what_is_let_in_by_an_exception_is_conclusive_and_proves_nothing_shut():
    standing, _ = story("hww")

    assert standing.last_conclusive == 30.0
    assert standing.last_proven == 10.0


def test_a_hole_whose_exception_ran_out_was_last_shut_when_it_was_last_denied():
    standing, _ = story("hwwb")

    assert standing.breach.closed_before == 10.0


SOMEBODY = Verdict(State.BREACHED, Reason.UNATTRIBUTED)


def crossed(standing, verdict, at, round_):
    seen = Observation(Answer.SERVED, at, audit_id=f"n-{at:g}", place=f"10.0.0.7 at {at:g}")
    return advance(standing, verdict, seen, round_)


def test_an_unattributed_breach_that_gets_a_name_opens_as_what_it_is_and_is_as_old_as_it_was():
    shut, _ = advance(Standing(), HELD, Observation(Answer.SILENT, 5.0), 1)
    standing, _ = crossed(shut, SOMEBODY, 10.0, 2)

    standing, change = crossed(standing, OPEN, 20.0, 3)

    assert change is not None and change.turn is Turn.OPENED
    breach = standing.breach
    assert breach is not None and breach.reason is Reason.SERVED
    assert (breach.since, breach.last, breach.closed_before) == (10.0, 20.0, 5.0)
    assert (breach.audit_id, breach.place) == ("n-20", "10.0.0.7 at 20")


def test_a_breach_that_has_a_name_does_not_lose_it():
    standing, _ = crossed(Standing(), OPEN, 10.0, 1)

    standing, change = crossed(standing, SOMEBODY, 20.0, 2)

    assert change is None and standing.reason is Reason.SERVED
    assert standing.breach is not None and standing.breach.last == 20.0
