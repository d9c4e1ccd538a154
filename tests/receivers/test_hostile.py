"""What a tenant chose stays text: no mention, no link, no style, no header, no template of Alertmanager's."""

import re
from datetime import UTC, datetime
from email.message import EmailMessage

from tests.receivers import pages
from tests.receivers.desk import Desk
from tests.support.vendors import teams

NOW = datetime.now(UTC)
NASTY = (
    "<!channel> <@U1> <https://evil.example|Runbook> https://evil.example/x [Runbook](https://evil.example) `rm -rf` "
    '``` *bold* <script>alert(1)</script> <a href="https://evil.example">x</a> "><img src=x onerror=y> '
    '\u202egnp.exe \u200b{{ .ExternalURL }} {{ template "none" }} &lt;!here&gt; javascript:alert(1)'
)  # fmt: skip


def hostile() -> pages.Alerted:
    """A breach through a binding with that name, told by a tenant whose every text is like it."""
    alert = pages.pushed(NOW, cause=f'allowed by RoleBinding "{NASTY}" of Role "r"')
    alert["annotations"] |= {"owner": NASTY, "contact": NASTY, "summary": NASTY}
    alert["annotations"]["description"] += f"\n{NASTY}"
    alert["labels"] |= {"identity": f"group:{NASTY}"}
    return alert


def told(here: Desk, alert: pages.Alerted) -> dict[str, str]:
    """All that each vendor's readers see, as one text."""
    here.send(alert)
    seen = {name: str(here.told(getattr(here, name))) for name in ("slack", "pagerduty", "opsgenie")}
    seen["teams"] = "\n".join(block["text"] for block in here.told(here.teams)["attachments"][0]["content"]["body"])
    letter = here.letter()
    return seen | {"mail": str(letter["Subject"]) + part(letter, "plain"), "html": part(letter, "html")}


def part(letter: EmailMessage, kind: str) -> str:
    found = letter.get_body((kind,))
    assert found is not None
    return str(found.get_content())


def test_nothing_of_a_tenants_is_a_link_a_mention_or_markup(here: Desk) -> None:
    seen = told(here, hostile())

    assert not [problem for vendor in here.vendors for problem in vendor.problems]
    for name, text in seen.items():
        assert "evil.example" in text, f"{name}: it is told"
        assert "https://evil" not in text, name
        assert "\u202e" not in text, name
        assert "\u200b" not in text, name
    assert not teams.links(here.told(here.teams))
    for name in ("slack", "pagerduty", "opsgenie", "teams", "mail"):
        assert "<" not in seen[name], name


def test_the_letter_has_no_element_that_is_not_ours(here: Desk) -> None:
    page = told(here, hostile())["html"]

    assert set(re.findall(r"<([a-z]+)", page)) <= {"html", "head", "meta", "title", "body", "p", "strong", "pre"}
    assert "javascript:" not in re.sub(r">[^<]*<", "><", page)


def test_no_text_is_run_as_a_template(here: Desk) -> None:
    """Alertmanager reads PagerDuty's details as YAML; before 0.34 it ran what it found in a map or a list once more."""
    for number, text in enumerate(("why: '{{ template \"none\" }}'", "- '{{ .ExternalURL }}'", "{a: '{{ fail }}'}")):
        alert = pages.pushed(NOW)
        alert["annotations"] |= {"description": text, "owner": text}
        here.send(alert, cluster=f"yaml-{number}")

        details = here.told(here.pagerduty, f"{here.town}-yaml-{number}")["payload"]["custom_details"]
        assert details["story"].startswith("@ "), "as it was, not a map or a list"
        assert "{ {" in details["story"]
        assert "{ {" in details["tell"]


def test_a_line_break_makes_no_header_of_a_letter(here: Desk) -> None:
    alert = pages.pushed(NOW)
    alert["labels"] |= {"identity": "x\r\nBcc: everybody@example.com\r\n\r\nbody"}

    here.send(alert)

    letter = here.letter()
    assert "Bcc" not in letter
    assert "Bcc: everybody" in letter["Subject"]


def test_a_runbook_that_is_no_web_address_is_no_link(here: Desk) -> None:
    alert = pages.pushed(NOW)
    alert["annotations"] |= {"runbook_url": "javascript:alert(1)", "dashboard_url": 'https://x"><script>'}

    seen = told(here, alert)

    assert "<a" not in seen["html"]
    assert not here.told(here.pagerduty).get("links")
    assert not [problem for vendor in here.vendors for problem in vendor.problems]
