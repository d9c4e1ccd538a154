"""The status page: what it says in each state, to whom it can be read, and what can never get into it."""

import base64
import hashlib
import re
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel.core.answer import Answer, Observation
from sentinel.core.api.gates import Gate, Light
from sentinel.core.api.plan import Scope, make
from sentinel.core.api.question import Question, in_namespace
from sentinel.core.api.resources import SECRETS
from sentinel.core.net.net_gates import NetGate
from sentinel.core.record import GateRow, Record, Round
from sentinel.core.standing import Breach, Standing
from sentinel.core.verdict import Reason, State, Verdict
from sentinel.sinks.history import History
from sentinel.web import pages, words
from sentinel.web.style import CSS, EVIDENCE, PAGE
from tests.support.breaches import GET, LIST, USER, Belief, a_round

NOON = 1_795_230_000.0
PLAN = make(
    Scope(
        tenant="team-a",
        tenants=(("team-a", ("team-a",)), ("team-b", ("team-b",))),
        system=("kube-system",),
        accounts=("self",),
        anonymous=(),
        every=10.0,
        within=120.0,
        sweep=1800.0,
        timeout=4.0,
        qps=100.0,
    )
)


@dataclass
class Seen(HTMLParser):
    """A page, read as a browser does."""

    html: str
    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    texts: dict[str, list[str]] = field(default_factory=dict)

    VOID = ("meta", "link", "br", "hr", "img", "input")

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.feed(self.html)
        self.close()
        assert self.open == [], f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(attrs) == len(dict(attrs)), f"an attribute twice: {attrs}"
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        for name in set(self.open):
            self.texts.setdefault(name, []).append(data)

    def text(self, tag: str = "html") -> str:
        return " ".join(" ".join(self.texts.get(tag, [])).split())

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == name]


def page(kept: History, now: float = NOON + 30) -> Seen:
    return Seen(pages.page(kept.snapshot(), now))


def history(*records: Record, report: Round | None = None, planned: bool = False) -> History:
    kept = History("team-a")
    if planned:
        kept.expect(PLAN)
    for record in records:
        kept.put(record)
    if report is not None:
        kept.end_round(report)
    return kept


def everything_held(at: float = NOON) -> list[Record]:
    return [Belief(question).held(at) for question in PLAN.questions]


DONE = a_round(NOON + 20)


def test_when_all_is_held_it_says_so_with_the_number_of_questions():
    seen = page(history(*everything_held(), report=DONE, planned=True))

    assert (
        seen.text("h1")
        == f"Held team-a is denied all that it must be denied: every question of {len(PLAN.questions)} is held."
    )
    assert seen.text("title") == "Held · team-a · sentinel"
    assert "Open breaches" not in seen.text()


def test_an_open_breach_comes_first_with_its_evidence_and_its_command():
    kept = history(*everything_held(), Belief(LIST, proven=NOON - 10).served(NOON), report=DONE, planned=True)

    seen = page(kept)

    text = seen.text()
    assert seen.text("h1") == "BREACH team-a is let in where it must be denied: team-b."
    assert seen.text("h3") == "team-b , asked as self"
    assert text.index("Open breaches (1)") < text.index("Targets") < text.index("Gates")
    card = seen.text("article")
    assert "Open since 30 s ago 03:00:00 UTC" in card
    assert "proven closed 02:59:50 UTC, open 03:00:00 UTC: may be 10 s older" in card
    assert "HTTP 406, we were let in; Audit-Id a-1" in card
    next_, same = (f"sentinel explain list secrets --user={USER} -n team-b", f"--as={USER} -n team-b")
    assert seen.text("pre") == f"{next_} kubectl auth can-i list secrets {same}"
    assert seen.text("title").startswith("BREACH")


def test_the_cause_is_shown_where_the_api_server_named_it():
    record = Belief(LIST).served(NOON)
    assert record.standing.breach is not None
    named = replace(record.standing.breach, cause='RBAC: allowed by RoleBinding "reads/team-b"')
    kept = history(replace(record, standing=replace(record.standing, breach=named)), report=DONE)

    assert 'Cause RBAC: allowed by RoleBinding "reads/team-b"' in page(kept).text("article")


def test_breaches_of_one_identity_at_one_target_are_one_card():
    kept = history(Belief(LIST).served(NOON), Belief(GET).served(NOON + 1), report=DONE)

    seen = page(kept)

    assert len(seen.all("article")) == 1
    assert "Let in to list secrets, get secrets/sentinel-beacon" in seen.text("article")


def test_what_a_wider_breach_explains_is_counted_and_not_shown():
    wide = replace(LIST, target="*", namespace=None)
    kept = history(Belief(wide).served(NOON), Belief(GET).served(NOON, subsumed=True), report=DONE)

    seen = page(kept)

    assert len(seen.all("article")) == 1
    assert "cluster scope (*)" in seen.text("h1")
    assert "1 narrower breach not shown" in seen.text()


def test_a_narrow_breach_is_shown_when_the_wider_one_is_gone():
    """It must never look held because somebody else explained it once."""
    kept = history(*everything_held(), Belief(GET).served(NOON, subsumed=True), report=DONE, planned=True)

    assert page(kept).text("h1").startswith("BREACH")


def test_a_breach_and_blindness_are_both_said():
    belief = Belief(LIST)
    blind = replace(DONE, reasons=("the API server does not answer",))
    seen = page(history(belief.served(NOON), belief.blind(NOON + 10), report=blind))

    assert seen.text("h1").startswith("BREACH")
    assert "Blind Nothing can be proven now." in seen.text("header")
    assert "the API server does not answer" in seen.text("header")


@pytest.mark.parametrize(
    ("kept", "now", "says"),
    [
        (history(planned=True), NOON, "Starting No round has ended yet. Nothing is known."),
        (history(report=DONE, planned=True), NOON + 30, "Proving 0 of"),
        (history(*everything_held()[:5], report=DONE, planned=True), NOON + 30, "Proving 5 of"),
        (history(report=DONE), NOON + 30, "Proving 0 of 0"),
        (history(*everything_held(), report=DONE), NOON + 200, "Stalled No round has ended for 3 min."),
        (
            history(*everything_held(), report=replace(DONE, reasons=("expired",))),
            NOON + 30,
            "Blind Nothing can be proven now.",
        ),
        (history(*everything_held(), Belief(GET).blind(NOON), report=DONE), NOON + 30, "Unproven 1 question of"),
    ],
    ids=["no round", "nothing asked", "some asked", "nothing planned", "stalled", "not ready", "inconclusive"],
)
def test_what_is_not_proven_is_never_called_held(kept, now, says):
    seen = page(kept, now)

    assert seen.text("h1").startswith(says)
    assert not seen.text("title").startswith("Held")


def test_targets_are_told_by_number_with_trouble_first():
    kept = history(*everything_held(), Belief(GET).blind(NOON + 10), report=DONE, planned=True)

    rows = re.findall(r"<tr><th scope=\"row\">(.*?)</th>(.*?)</tr>", page(kept).html)
    first, cells = rows[0]

    assert first == "team-b"
    assert "silent ×1" in cells
    assert ">cluster scope (*)</th>" in page(kept).html
    assert "no reply in time" in page(kept).text()


def test_gates_that_are_red_come_first_and_name_their_targets():
    rows = [
        GateRow(Gate.TOKEN, "self", Light(up=True), NOON - 100),
        GateRow(Gate.DOOR, "self", Light(up=False, detail="403: no door"), NOON, "team-b"),
        GateRow(Gate.DOOR, "self", Light(up=True), NOON, "kube-system"),
    ]

    html = page(history(report=a_round(NOON + 20, gates=tuple(rows)))).html
    door, token = html.index(">door<"), html.index(">token<")

    assert door < token
    assert "red at 1 of 2" in html and "team-b: 403: no door" in html


def test_breaches_that_ended_stay_with_how_they_ended():
    belief = Belief(LIST)
    kept = history(belief.served(NOON), belief.held(NOON + 5), belief.held(NOON + 15), report=DONE)

    seen = page(kept)

    assert "Breaches that ended (1)" in seen.text()
    assert "15 s" in seen.text("table") and "proof" in seen.text("table")
    assert seen.all("article") == []


def test_recent_changes_of_one_kind_are_one_line():
    beliefs = [Belief(question) for question in PLAN.questions if question.target == "team-b"]
    kept = history(*(belief.held(NOON) for belief in beliefs), *(belief.blind(NOON + 1) for belief in beliefs))

    text = page(kept).text()

    assert f"{len(beliefs)} questions no longer proven: no reply in time" in text
    assert f"{len(beliefs)} questions proven; before: not asked yet" in text


ALL_STATES = [
    history(),
    history(*everything_held(), report=DONE, planned=True),
    history(Belief(LIST).served(NOON), Belief(GET).blind(NOON), report=replace(DONE, reasons=("x",)), planned=True),
]


@pytest.mark.parametrize("kept", ALL_STATES)
def test_it_can_be_read_by_everybody(kept):
    seen = page(kept)

    assert seen.all("html") == [{"lang": "en"}]
    assert len(seen.all("h1")) == len(seen.all("title")) == len(seen.all("main")) == 1
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in seen.all("meta")
    assert {"charset": "utf-8"} in seen.all("meta")
    assert all(head.get("scope") in ("col", "row") for head in seen.all("th"))
    levels = [int(tag[1]) for tag, _ in seen.tags if re.fullmatch("h[1-6]", tag)]
    assert all(after - before <= 1 for before, after in pairwise(levels))


@pytest.mark.parametrize("kept", ALL_STATES)
def test_nothing_comes_from_elsewhere_and_nothing_runs_but_our_own_script(kept):
    seen = page(kept)

    assert seen.all("script") == [{"src": "/live.js", "defer": None}], (
        "one file of our own, and nothing within the page"
    )
    assert not seen.all("link") and not seen.all("img")
    assert all((link["href"] or "").startswith(("/", "#main")) for link in seen.all("a"))
    assert not [name for _, attributes in seen.tags for name in attributes if name.startswith("on") or name == "style"]
    assert "url(" not in CSS + PAGE + EVIDENCE and "@import" not in CSS + PAGE + EVIDENCE


def test_the_policy_allows_the_page_its_one_style_sheet_our_own_files_and_nothing_else():
    (sheet,) = re.findall(r"<style>(.*?)</style>", page(history()).html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(sheet.encode()).digest()).decode()

    assert f"style-src 'sha256-{digest}';" in pages.POLICY
    assert pages.POLICY.startswith("default-src 'none';")
    assert "script-src 'self';" in pages.POLICY and "connect-src 'self';" in pages.POLICY
    assert "unsafe" not in pages.POLICY and "http" not in pages.POLICY and "*" not in pages.POLICY
    assert "img-src 'self';" in pages.POLICY, "pictures of failovers are files of our own"


PALETTES = [
    dict(re.findall(r"--([a-z-]+): (#[0-9a-f]+)", part)) for part in CSS.split("@media (prefers-color-scheme", 1)
]
PAIRS = [
    *((ink, paper) for ink in ("ink", "faint", "bad", "warn", "ok", "calm") for paper in ("bg", "card")),
    *((mood, f"{mood}-bg") for mood in ("bad", "warn", "ok", "calm")),
]


@pytest.mark.parametrize("palette", PALETTES, ids=["light", "dark"])
@pytest.mark.parametrize(("ink", "paper"), PAIRS)
def test_every_pair_of_colours_can_be_told_apart(palette, ink, paper):
    light, dark = sorted((luminance(palette[ink]), luminance(palette[paper])), reverse=True)

    assert (light + 0.05) / (dark + 0.05) >= 4.5


def luminance(colour: str) -> float:
    """WCAG 2 relative luminance."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


HOSTILE = st.one_of(
    st.sampled_from(
        [
            "<script>alert(1)</script>",
            '"><img src=x onerror=alert(1)>',
            "' onmouseover='alert(1)",
            "</style><script>",
            "<!--",
            "]]>",
            "&lt;script&gt;",
            "\x00<b>",
            "\x1b[31m",
            "\u202e",
            "javascript:alert(1)",
            "{{7*7}}",
            "%s%n",
            "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4In0.c2ln",
            "x" * 5000,
        ]
    ),
    st.text(max_size=20),
)
TAGS = re.findall(
    "[a-z0-9]+",
    "html head meta title style body header main section article footer h1 h2 h3 p ul li dl div dt dd "
    "table thead tbody tr th td b span time small code pre a noscript script form label input button details summary",
)
ATTRIBUTES = re.findall(
    "[a-z-]+",
    "lang charset name content http-equiv class scope data-label datetime href tabindex id role src defer for action "
    "method type value maxlength autocomplete spellcheck aria-label aria-labelledby aria-live",
)


@settings(max_examples=150)
@given(data=st.data())
def test_nothing_hostile_gets_through(data):
    """Names are chosen by whoever writes a Role; users, causes and details by the other side."""

    def draw() -> str:
        text: str = data.draw(HOSTILE)
        return text

    question = Question(draw(), "get", SECRETS, draw(), draw(), draw())
    breach = Breach(NOON, NOON, NOON - 5, 406, draw(), Reason.SERVED, cause=draw())
    served = Verdict(State.BREACHED, Reason.SERVED)
    standing = Standing(served, NOON, NOON, None, breach=breach)
    gate = GateRow(Gate.DOOR, draw(), Light(up=False, detail=draw()), NOON, draw())
    kept = History(draw())
    kept.put(Record(question, Observation(Answer.SERVED, NOON), served, standing, user=draw()))
    for record in (Belief(replace(question, target=draw())).held(NOON), Belief(question).blind(NOON)):
        kept.put(record)
    kept.end_round(replace(DONE, gates=(gate,), reasons=(draw(),)))

    seen = page(kept)

    assert {tag for tag, _ in seen.tags} <= set(TAGS)
    assert {name for _, attributes in seen.tags for name in attributes} <= set(ATTRIBUTES)
    assert {link["href"] for link in seen.all("a")} <= {
        "#main",
        "/?still=1",
        *(f"/api/v1/{x}" for x in ("status", "breaches", "records", "gateways")),
    }
    assert len(seen.all("style")) == len(seen.all("title")) == 1
    assert all(char.isprintable() or char == "\n" for char in seen.html)
    assert "eyJhbGciOi" not in seen.html
    assert len(seen.html) < 200_000


def test_a_thousand_breaches_are_still_a_page():
    kept = history(
        *(Belief(in_namespace("self", "list", SECRETS, f"team-{n}")).served(NOON + n) for n in range(1000)),
        report=DONE,
    )

    seen = page(kept, NOON + 2000)

    assert len(seen.all("article")) == pages.MOST_CARDS
    assert "And 980 more" in seen.text()
    assert len(seen.html) < 1_000_000


@pytest.mark.parametrize("sheet", [CSS, PAGE, EVIDENCE])
def test_a_style_sheet_cannot_be_left(sheet):
    assert "<" not in sheet


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0 s"), (0, "0 s"), (0.44, "0.4 s"), (9.96, "10 s"), (42, "42 s"), (59.6, "1 min"), (60, "1 min"),
        (725, "12 min 5 s"), (3600, "1 h"), (3605, "1 h"), (7260, "2 h 1 min"), (86400, "1 d"), (90061, "1 d 1 h"),
    ],
)  # fmt: skip
def test_spans_are_told_in_two_units_at_most(seconds, text):
    assert words.span(seconds) == text


@pytest.mark.parametrize(("share", "text"), [(0.0, "0 %"), (0.5, "50 %"), (0.99999, "99.9 %"), (1.0, "100 %")])
def test_what_is_not_all_is_never_called_all(share, text):
    assert words.percent(share) == text


def test_a_moment_of_another_day_has_its_date():
    assert words.clock(NOON, NOON + 60) == "03:00:00 UTC"
    assert words.clock(NOON - 86400, NOON) == "2026-11-20 03:00:00 UTC"


def test_every_reason_and_every_gate_has_its_words():
    assert set(words.REASONS) == set(Reason)
    assert set(words.GATES) == {*Gate, *NetGate}
