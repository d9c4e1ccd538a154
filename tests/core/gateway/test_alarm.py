"""What pages about a gateway, probe by probe: the rules' own decisions, and nothing but an answer that ends one."""

import re
from pathlib import Path

import pytest

from sentinel.core.gateway import alarm
from sentinel.core.gateway.alarm import Watch, advance, ended, heard
from sentinel.core.gateway.completion import Trouble
from sentinel.core.gateway.failover import Live
from sentinel.core.gateway.outcome import judge
from sentinel.core.page import Alert
from tests.core.gateway import recorded as r

RULES = (Path(__file__).parents[3] / "alerts" / "gateway.rules.yaml").read_text()
HEARD = {
    "good": r.heard(body=r.ROLE + r.said() + r.STOP + r.DONE),
    "unreachable": r.heard(None, trouble=Trouble.REFUSED),
    "ungraceful": r.heard(500, r.NGINX_502),
    "structured": r.heard(429, r.OPENAI_429),
    "cut": r.heard(body=r.ROLE + r.said(4) + r.STOP + r.DONE),
    "visibly cut": r.heard(body=r.ROLE + r.said(4)),
    "refused us": r.heard(401, r.LITELLM_BAD_KEY),
    "ours": r.heard(None, trouble=Trouble.RESOLVER),
}
DOWN, SLOW, UNGRACEFUL, CUT = Alert.GATEWAY_DOWN, Alert.FAILOVER_SLOW, Alert.UNGRACEFUL, Alert.TRUNCATED


def after(*told, watch=None, live=None):
    """What stands after these: (when, what); `live` is for the last moment, which may be told by a time alone."""
    watch = watch or Watch()
    for number, (at, *what) in enumerate(told):
        for each in what:
            watch = heard(watch, judge(HEARD[each], r.ASKED, r.expected()), at)
        watch = advance(watch, live if number == len(told) - 1 else None, at)
    return watch


def open_(*told, **how):
    return dict(after(*told, **how).open)


@pytest.mark.parametrize(
    ("told", "stands"),
    [
        ([(0, "unreachable"), (2, "unreachable")], {}),
        ([(0, "unreachable"), (2, "unreachable"), (4, "unreachable")], {DOWN: 0}),
        ([(0, "unreachable"), (2, "unreachable"), (4, "ours"), (36, "unreachable")], {}),
        ([(0, "good"), (2, "unreachable"), (4, "unreachable"), (6, "unreachable")], {}),
        ([(0, "good"), (2, "unreachable"), (4, "unreachable"), (36, "unreachable")], {DOWN: 2}),
        ([(0, "refused us"), (2, "unreachable"), (4, "unreachable"), (6, "unreachable")], {}),
        ([(0, "unreachable"), (2, "unreachable"), (4, "unreachable"), (6, "ungraceful")], {}),
        ([(0, "unreachable"), (2, "unreachable"), (4, "unreachable"), (6, "refused us")], {}),
        ([(0, "unreachable"), (2, "unreachable"), (4, "unreachable"), (9999,)], {DOWN: 0}),
        ([(0, "unreachable"), (2, "unreachable"), (4, "unreachable"), (9999, "ours")], {DOWN: 0}),
        ([(0, "ungraceful"), (2, "ungraceful")], {}),
        ([(0, "ungraceful"), (2, "good"), (4, "ungraceful"), (6, "good"), (300, "ungraceful")], {UNGRACEFUL: 0}),
        ([(0, "ungraceful"), (2, "ungraceful"), (301, "ungraceful")], {}),
        ([(0, "ungraceful"), (2, "ungraceful"), (4, "ungraceful"), (6, "good")], {UNGRACEFUL: 0}),
        ([(0, "ungraceful"), (2, "ungraceful"), (4, "ungraceful"), (6, "good"), (301,)], {}),
        ([(0, "ungraceful"), (2, "ungraceful"), (4, "ungraceful"), (9999,)], {UNGRACEFUL: 0}),
        ([(0, "ungraceful"), (2, "ungraceful"), (4, "ungraceful"), (9999, "unreachable")], {UNGRACEFUL: 0}),
        ([(0, "ungraceful"), (2, "ungraceful"), (4, "ungraceful"), (9999, "structured")], {}),
        ([(0, "cut")], {}),
        ([(0, "visibly cut"), (2, "visibly cut"), (4, "visibly cut")], {}),
        ([(0, "cut"), (300, "cut")], {CUT: 0}),
        ([(0, "cut"), (301, "cut")], {}),
        ([(0, "cut"), (2, "cut"), (400, "structured")], {CUT: 0}),
        ([(0, "cut"), (2, "cut"), (400, "good")], {}),
    ],
)  # fmt: skip
def test_it_stands_from_the_probe_on_that_is_one_too_many_until_an_answer_ends_it(told, stands):
    assert open_(*told) == stands


@pytest.mark.parametrize(
    ("user", "stands"),
    [(29.9, {}), (30.0, {SLOW: 70.0}), (95.0, {SLOW: 5.0})],
)
def test_an_outage_that_lasts_is_slow_from_the_moment_on_that_whoever_asked_first_waits_too_long(user, stands):
    assert open_((100.0, "structured"), live=Live(5.0, user)) == stands


def test_it_is_over_five_minutes_after_three_good_answers_in_a_row_and_not_by_silence():
    slow = after((100, "structured"), live=Live(5.0, 40.0))

    assert open_((9999,), watch=slow) == {SLOW: 60}
    two = after((102, "good"), (104, "good"), (9999,), watch=slow)
    assert two.open == {SLOW: 60}
    assert open_((9999, "structured"), (10001, "good"), (10003, "good"), (10400,), watch=two) == {SLOW: 60}
    well = after((102, "good"), (104, "good"), (106, "good"), (108, "good"), (405, "good"), watch=slow)
    assert well.open == {SLOW: 60}
    assert open_((406, "good"), watch=well) == {}


def test_an_episode_that_was_too_long_pages_also_when_nobody_saw_it_last():
    assert open_((105,), watch=ended(after((100, "good")), 101, pages=True)) == {SLOW: 101}
    assert open_((105,), watch=ended(after((100, "good")), 101, pages=False)) == {}
    assert open_((402,), watch=ended(after((100, "good")), 101, pages=True)) == {}


def test_a_gateway_that_takes_no_connection_is_the_other_page_and_so_it_is_for_six_minutes_after():
    down = after((0, "unreachable"), (2, "unreachable"), (4, "unreachable"))

    assert set(open_((40, "unreachable"), watch=down, live=Live(5.0, 40.0))) == {DOWN}
    back = after((42, "good"), watch=down)
    assert open_((300, "structured"), watch=back, live=Live(5.0, 40.0)) == {}
    assert set(open_((403, "structured"), watch=back, live=Live(5.0, 40.0))) == {SLOW}


def test_what_is_slow_already_is_not_taken_back_by_a_gateway_that_is_gone_now():
    slow = after((100, "structured"), live=Live(5.0, 40.0))

    assert SLOW in open_((102, "unreachable"), (104, "unreachable"), (140, "unreachable"), watch=slow)


def test_every_span_is_as_long_as_its_unit_says():
    assert open_((0, "ungraceful"), (1, "ungraceful"), (16, "ungraceful"), watch=Watch(unit=0.05)) == {}
    assert set(open_((0, "ungraceful"), (1, "ungraceful"), (15, "ungraceful"), watch=Watch(unit=0.05))) == {UNGRACEFUL}


def test_the_spans_are_those_of_the_rules():
    written = dict(re.findall(r'\$(now|out|lasting|after) := include "sentinel.scaled" \(list \$ (.+?)\) }}', RULES))

    spans = {
        name: float(re.findall(r'"(\d+)[sm]"', text)[0]) * (60 if 'm"' in text else 1) for name, text in written.items()
    }
    assert spans == {"now": alarm.NOW, "out": alarm.OUT, "lasting": alarm.LASTING, "after": alarm.AFTER}
