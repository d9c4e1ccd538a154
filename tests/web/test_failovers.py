"""The section of gateways: each one's last failovers in words, the latest drawn, and nobody's name is markup."""

from dataclasses import replace

import pytest

from sentinel.core.gateway.course import Course
from sentinel.core.gateway.failover import Verdict
from sentinel.reports.failover_svg import VERDICTS, described
from sentinel.web import failovers
from tests.core.gateway.test_course import seen
from tests.web.test_pages import Seen

NOW = 200_000.0


def section(**gateways: tuple[Course, ...]) -> Seen:
    return Seen(failovers.section(gateways, NOW))


def test_the_latest_come_first_and_no_more_than_three():
    courses = tuple(replace(seen(), at=NOW - 100 + number) for number in range(5))

    shown = section(chat=courses)

    assert [link["href"] for link in shown.all("a")] == [
        f"/gateways/chat/{199_904_000 - 1000 * n}.svg" for n in range(3)
    ]
    assert [image["src"] for image in shown.all("img")] == ["/gateways/chat/199904000.svg"]


def test_the_picture_says_in_words_what_it_shows():
    course = seen()

    [image] = section(chat=(course,)).all("img")

    assert image["alt"] == described(course)


@pytest.mark.parametrize("verdict", Verdict)
def test_every_verdict_has_its_words_and_what_has_no_figure_says_so(verdict):
    course = seen()
    course = replace(course, episode=replace(course.episode, verdict=verdict, stable=None, user=None))

    html = section(chat=(course,)).html

    assert VERDICTS[verdict][1] in html
    assert "no figure" in html
    assert "nothing" in html


def test_a_name_is_text_in_the_section_and_in_addresses():
    course = replace(seen(), gateway='"><script>/../')
    course = replace(course, episode=replace(course.episode, source="<b>", to="<i>"))

    shown = section(chat=(course,))

    assert not shown.all("script") and not shown.all("b") and not shown.all("i")
    assert (shown.all("img")[0]["src"] or "").startswith("/gateways/%22%3E%3Cscript%3E%2F..%2F/")
