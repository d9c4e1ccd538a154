"""By target it is the same truth as by question, and a thousand targets are read by their trouble."""

import re
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from sentinel.core.api.question import Question, in_namespace
from sentinel.core.api.resources import CONFIGMAPS, SECRETS
from sentinel.sinks.history import History
from sentinel.web import pages
from sentinel.web.tally import gaps, tally
from sentinel.web.wish import Wish
from tests.support.breaches import Belief
from tests.support.wide import wide
from tests.web.test_pages import DONE, NOON, Seen

QUESTIONS = [
    in_namespace("self", verb, kind, f"team-{letter}")
    for letter in "bcd"
    for verb in ("list", "get")
    for kind in (SECRETS, CONFIGMAPS)
]
STEPS = st.lists(st.tuples(st.sampled_from(QUESTIONS), st.sampled_from(["held", "served", "blind"])), max_size=40)


@given(STEPS)
def test_law_it_counts_what_the_rows_of_the_status_say(steps):
    kept, beliefs = History("team-a"), {question: Belief(question) for question in QUESTIONS}
    for number, (question, how) in enumerate(steps):
        kept.put(getattr(beliefs[question], how)(NOON + number))

    rows, lines = kept.status()["standings"], {line.name: line for line in tally(kept.snapshot())}

    for target in {row["target"] for row in rows}:
        mine, line = [row for row in rows if row["target"] == target], lines[target]
        counted = Counter(row["verdict"] for row in mine)
        assert (line.held, line.breached, line.blind) == tuple(
            counted[verdict] for verdict in ("held", "breached", "inconclusive")
        )
        proofs = [row["last_proven"] for row in mine if row["verdict"] != "breached" and row["last_proven"]]
        assert line.oldest == min(proofs, default=None)
    moods = ["bad", "warn", "calm", "ok"]
    assert [line.mood for line in lines.values()] == sorted((line.mood for line in lines.values()), key=moods.index)


@given(STEPS)
def test_law_every_question_that_is_not_proven_is_in_one_gap_with_the_longest_since(steps):
    kept, beliefs = History("team-a"), {question: Belief(question) for question in QUESTIONS}
    for number, (question, how) in enumerate(steps):
        kept.put(getattr(beliefs[question], how)(NOON + number))

    found = gaps((line.name, line) for line in tally(kept.snapshot()))

    blind = [row for row in kept.status()["standings"] if row["verdict"] == "inconclusive"]
    assert sum(gap.questions for gap in found) == len(blind)
    assert {name for gap in found for name in gap.targets} == {row["target"] for row in blind}
    assert [gap.since for gap in found] == [min((row["since"] for row in blind), default=0.0)] * bool(blind)


def page(kept: History, find: str = "") -> Seen:
    return Seen(pages.page(kept.snapshot(), NOON, Wish(find=find)))


def shown(seen: Seen) -> list[str]:
    """Targets in the table."""
    table = re.search(r'<table class="targets">.*?</table>', seen.html, re.DOTALL)
    return re.findall(r'<th scope="row">(.*?)</th>', table[0]) if table else []


def test_of_many_targets_the_table_has_trouble_and_the_rest_is_folded_by_name():
    seen = page(wide(200, opened=2, blind=3))

    assert shown(seen) == [f"team-000{n}" for n in range(1, 6)]
    assert "Of 202 targets: 2 open, 3 not all proven, 197 proven closed." in seen.text()
    assert seen.text("summary") == "197 targets proven closed, each with the age of its oldest proof"
    names = re.findall(r"<li>(team-\d+|kube-system|cluster scope \(\*\)) <time", seen.html)
    assert len(names) == 197 and names[1:] == sorted(names[1:])


def test_few_targets_are_all_in_the_table():
    seen = page(wide(5, opened=1))

    assert len(shown(seen)) == 7
    assert not seen.all("details") and not seen.all("form")


def test_names_are_found_by_a_part_of_them_and_what_is_not_there_is_said():
    found, nothing = page(wide(200), "-0199"), page(wide(200), "nowhere")

    assert shown(found) == ["team-0199"]
    assert "1 target with it." in found.text("form")
    assert "No target has nowhere in its name." in nothing.text()


def test_more_trouble_than_anybody_reads_is_counted():
    seen = page(wide(150, blind=150))

    assert len(shown(seen)) == pages.MOST_LINES
    assert "And 50 targets more that are not all proven" in seen.text()


def test_why_it_is_not_proven_is_told_once_for_all_it_concerns():
    belief = Belief(in_namespace("self", "list", SECRETS, "team-b"))
    other = Belief(in_namespace("self", "list", SECRETS, "team-c"))
    kept = History("team-a")
    for record in (belief.held(NOON - 100), belief.blind(NOON - 60), other.blind(NOON - 30)):
        kept.put(record)
    kept.end_round(DONE)

    text = page(kept).text()

    assert "silent no reply in time 2 1 min ago" in text
    assert "team-b, team-c" in text


def test_a_target_of_which_nothing_was_asked_is_not_closed():
    kept = wide(3)
    kept._latest = {question: known for question, known in kept._latest.items() if question.target != "team-0002"}

    lines = {line.name: line for line in tally(kept.snapshot())}

    assert (lines["team-0002"].word, lines["team-0001"].word) == ("not asked yet", "closed")
    assert isinstance(QUESTIONS[0], Question)
