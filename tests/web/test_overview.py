"""The witness's page: what is open anywhere comes first, the matrix never leaves trouble out, and it ends somewhere."""

import re
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.sinks.history import History
from sentinel.web import layout, matrix, overview, pages
from sentinel.web.looks import Looks
from sentinel.web.tally import Line, tally
from sentinel.web.wish import Wish
from tests.support.breaches import GET, LIST, Belief, a_round
from tests.support.wide import wide
from tests.web.test_pages import NOON, Seen

MOODS = {"bad": "open", "warn": "not proven", "calm": "not asked yet", "ok": "closed"}


def page(**kept: History) -> Seen:
    return looked({name.replace("_", "-"): history for name, history in kept.items()}, NOON + 30)


def looked(kept: Mapping[str, History], now: float = NOON, looks: Looks | None = None) -> Seen:
    looks = looks or Looks()
    return Seen(overview.page(looks.views(looks.take(kept), now), now))


def kept(name: str, *, opened: int = 0, blind: int = 0) -> History:
    return wide(4, opened=opened, blind=blind, tenant=name, now=NOON + 28)


def test_when_all_are_denied_all_it_says_so_of_how_many():
    seen = page(team_a=kept("team-a"), team_b=kept("team-b"))

    assert seen.text("h1") == "Held 2 tenants: each is denied all that it must be denied."
    assert seen.text("title") == "Held: the witness"
    assert "Open breaches" not in seen.text() and "Not proven, and why" not in seen.text()


def test_a_breach_of_one_tenant_is_the_headline_and_says_who_gets_where():
    seen = page(team_a=kept("team-a"), team_b=kept("team-b", opened=1), team_c=kept("team-c", blind=2))

    assert seen.text("h1") == "BREACH team-b is let in where it must be denied: team-0001."
    assert "Unproven team-c: 38 questions of" in seen.text("header")
    assert seen.text("h3") == "team-b is let in to team-0001 , asked as self"
    assert "team-c at team-0001, team-c at team-0002" in seen.text()


def test_several_breaches_are_counted_and_tenants_with_trouble_come_first():
    seen = page(team_a=kept("team-a"), team_b=kept("team-b", opened=1), team_c=kept("team-c", opened=1))

    assert "And 1 other like it." in seen.text("h1")
    links = [link["href"] for link in seen.all("a") if "tenant=" in (link["href"] or "")]
    assert links == [f"/?tenant={name}" for name in ("team-b", "team-c", "team-a")]


def test_nothing_is_called_held_while_one_of_many_is_not():
    starting = History("team-b")

    assert page(team_a=kept("team-a"), team_b=starting).text("h1").startswith("Starting team-b: No round has ended")
    assert page().text("h1").startswith("Starting")


def test_each_cell_is_closed_with_its_age_or_says_what_it_is():
    html = page(team_0001=kept("team-0001"), team_b=kept("team-b", opened=1, blind=1)).html
    rows = re.findall(r'<tr><th scope="row">(team-[^<]+)</th>(<td.*?)</tr>', html, re.DOTALL)

    assert [name for name, _ in rows] == ["team-b", "team-0001"]
    assert re.findall(r'<td class="(bad|warn)">([a-z ]+)</td>', rows[0][1]) == [("bad", "open"), ("warn", "not proven")]
    assert re.search(r'<td class="ok">closed <time datetime="[^"]+">1 min</time></td>', rows[0][1])
    assert rows[1][1].count('<td class="faint">-</td>') == 1, "nobody is asked about themselves"


LINES = st.dictionaries(
    st.sampled_from([f"tenant-{n}" for n in range(40)]),
    st.dictionaries(st.sampled_from([f"target-{n}" for n in range(30)]), st.sampled_from(sorted(MOODS)), min_size=1),
    min_size=1,
)


def line(name: str, mood: str) -> Line:
    return Line(name, held=1, breached=mood == "bad", blind=mood == "warn", unasked=mood == "calm")


@given(LINES)
def test_law_what_is_worst_is_drawn_and_what_is_not_drawn_is_counted(moods):
    drawn = matrix.matrix({tenant: [line(*cell) for cell in row.items()] for tenant, row in moods.items()})

    every = [mood for row in moods.values() for mood in row.values()]
    shown = [cell.mood for row in drawn.rows for cell in row.cells if cell is not None]
    for mood, word in MOODS.items():
        assert (f"{every.count(mood)} {word}" in drawn.told) == bool(every.count(mood))
    assert len(drawn.rows) <= matrix.MOST_ROWS and len(drawn.columns) <= matrix.MOST_COLUMNS
    assert ("Shown are" in drawn.told) == (len(moods) > len(drawn.rows) or len(shown) < len(every))
    if "bad" in every:
        assert "bad" in [cell.mood for cell in drawn.rows[0].cells if cell is not None] or every.count("bad") > 16


def test_only_what_turned_or_ended_a_round_is_counted_anew_and_nothing_old_is_shown(monkeypatch):
    counted, original = [], tally

    def counting(snapshot):
        counted.append(snapshot.tenant)
        return original(snapshot)

    monkeypatch.setattr("sentinel.web.headlines.tally", counting)
    both, looks = {"team-a": kept("team-a"), "team-b": kept("team-b")}, Looks()
    first = looked(both, NOON + 30, looks)
    looked(both, NOON + 31, looks)
    assert counted == ["team-a", "team-b"]

    both["team-b"].put(Belief(LIST).served(NOON + 31))
    turned = looked(both, NOON + 32, looks)
    both["team-a"].end_round(a_round(NOON + 33))
    looked(both, NOON + 34, looks)

    assert counted == ["team-a", "team-b", "team-b", "team-a"]
    assert first.text("h1").startswith("Held") and turned.text("h1").startswith("BREACH")
    assert all(not known[1].snapshot.latest for known in looks._known.values()), "and no copy is kept"


def test_of_many_tenants_those_that_hold_are_folded_and_all_can_be_reached():
    seen = page(**{f"team_{n}": kept(f"team-{n}", blind=int(n == 7)) for n in range(20)})

    links = [link["href"] for link in seen.all("a") if "tenant=" in (link["href"] or "")]
    assert links[0] == "/?tenant=team-7" and len(set(links)) == 20
    assert seen.text("summary") == "19 tenants denied all that must be denied"


def test_the_witness_sends_no_program_where_a_tenant_must_be_named():
    seen = page(team_a=kept("team-a", opened=3))

    assert [link["href"] for link in seen.all("a") if "/api/" in (link["href"] or "")] == ["/api/v1/gateways"]


def test_a_hundred_tenants_are_still_a_page():
    seen = page(**{f"team_{n}": kept(f"team-{n}", opened=2) for n in range(100)})

    assert len(seen.all("article")) == pages.MOST_CARDS
    assert "And 180 more" in seen.text()
    assert len(seen.html) < 300_000


@pytest.mark.parametrize("name", ["<script>", '"><b>', "a b&c=d"])
def test_a_name_is_text_on_the_page_and_in_addresses(name):
    history = History(name)
    history.put(Belief(LIST).served(NOON))
    history.put(Belief(replace(GET, target=name)).blind(NOON))
    history.end_round(a_round(NOON))

    overall = looked({name: history})
    own = Seen(pages.page(history.snapshot(), NOON, Wish(tenant=name, find=name)))

    for seen in (overall, own):
        assert seen.all("script") == [{"src": "/live.js", "defer": None}]
        assert all(not set('<>" ') & set(link["href"] or "") for link in seen.all("a"))
    assert own.all("input")[-1]["value"] == name, "what was looked for stands there again"


def test_the_pages_of_one_tenant_lead_to_what_is_of_that_tenant():
    seen = Seen(pages.page(kept("team-a").snapshot(), NOON, Wish(tenant="team-a", find="0001")))

    addresses = {link["href"] for link in seen.all("a")}
    assert {"/api/v1/status?tenant=team-a", "/?tenant=team-a&find=0001&still=1", "/?tenant=team-a"} <= addresses
    assert layout.POLICY.count("'self'") == 4
