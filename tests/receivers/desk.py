"""The shipped receivers, merged with the shipped route as their heads say, in a real Alertmanager whose vendors are fakes.

Only what must differ does: where secrets and templates lie, addresses of vendors, and that the mail server has no TLS.
"""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import yaml

from tests.alerts import rules
from tests.support.alertmanager import Alertmanager
from tests.support.vendors import opsgenie, pagerduty, slack, teams
from tests.support.vendors.mailbox import PASSWORD, USER, Mailbox
from tests.support.vendors.vendor import Vendor
from tests.support.webhook import Webhook

ALERTS = Path(__file__).parents[2] / "alerts"
KINDS = ("pagerduty", "slack", "opsgenie", "email", "teams", "webhook")
SECRETS, TEMPLATES = "/etc/alertmanager/secrets/", "/etc/alertmanager/templates/"
TOKEN = "a token"
SCALE = 0.06
"""Of the route's timers: its group_interval is 900 ms."""


@dataclass
class Desk:
    """All that a page can reach. `letters` is the mail server."""

    pagerduty: Vendor
    slack: Vendor
    opsgenie: Vendor
    teams: Vendor
    letters: Mailbox
    webhook: Webhook
    manager: Alertmanager = field(init=False)
    town: str = ""
    """The cluster of this test's alerts, so that no incident is another test's."""

    @property
    def vendors(self) -> tuple[Vendor, ...]:
        return (self.pagerduty, self.slack, self.opsgenie, self.teams)

    def begin(self, number: int) -> None:
        """Forgets what came so far; what comes late of other tests has another cluster."""
        self.town = f"town{number:03}"
        for vendor in self.vendors:
            vendor.clear()
        self.letters.clear()
        self.webhook.clear()

    def send(self, *alerts: Mapping[str, Any], **more: str) -> None:
        """As of this test's cluster, or of one of them, with other labels where told."""
        self.manager.send(*(self.moved(alert, **more) for alert in alerts))

    def moved(self, alert: Mapping[str, Any], **more: str) -> dict[str, Any]:
        labels = {**alert["labels"], **more}
        suffix = f"-{labels['cluster']}" if "cluster" in more else ""
        return {**alert, "labels": labels | {"cluster": self.town + suffix}}

    def told(self, vendor: Vendor, *parts: str) -> Any:
        """The first body that this vendor got of this test with these words in it."""
        return vendor.wait_for(lambda one: all(part in str(one.body) for part in (self.town, *parts))).body

    def attached(self, *parts: str) -> dict[str, Any]:
        """The same of Slack: the one attachment."""
        found: dict[str, Any] = self.told(self.slack, *parts)["attachments"][0]
        return found

    def letter(self, part: str = "") -> EmailMessage:
        return self.letters.wait_for(lambda one: self.town in one["Subject"] and part in one["Subject"])


def fragment(kind: str) -> dict[str, Any]:
    """One file of alerts/receivers, as a user has it."""
    found: dict[str, Any] = yaml.safe_load((ALERTS / "receivers" / f"{kind}.yaml").read_text())
    return found


def merged(*kinds: str, scale: float = SCALE) -> dict[str, Any]:
    """A whole configuration: the route, and the fragments' receivers in the places of those with no destination."""
    whole: dict[str, Any] = yaml.safe_load(rules.rendered(timeScale=scale)["route.yaml"])
    for kind in kinds:
        part = copy.deepcopy(fragment(kind))
        whole.update({key: part[key] for key in ("templates",) if key in part})
        for receiver in part["receivers"]:
            (place,) = (one for one in whole["receivers"] if one["name"] == receiver["name"])
            place.update(receiver)
    return whole


def placed(whole: Mapping[str, Any], secrets: Path) -> dict[str, Any]:
    """The same with secrets in this folder and templates where they are in the repository."""
    text = yaml.safe_dump(dict(whole)).replace(SECRETS, f"{secrets}/").replace(TEMPLATES, f"{ALERTS}/templates/")
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def everyone(whole: dict[str, Any]) -> dict[str, Any]:
    """Pages and tickets both to all that there is, so that every alert goes through every template."""
    ours = [one for one in whole["receivers"] if one["name"] in ("sentinel-page", "sentinel-ticket")]
    ways = {key: value for one in ours for key, value in one.items() if key.endswith("_configs")}
    for one in ours:
        one.update(copy.deepcopy(ways))
    return whole


def addressed(whole: dict[str, Any], here: Desk) -> dict[str, Any]:
    """The same, of the vendors whose address is no secret, with the fakes' ones."""
    for receiver in whole["receivers"]:
        for one in receiver.get("pagerduty_configs", ()):
            one["url"] = here.pagerduty.url + pagerduty.PATH
        for one in receiver.get("opsgenie_configs", ()):
            one["api_url"] = f"{here.opsgenie.url}/"
        for one in receiver.get("webhook_configs", ()):
            one["url"] = here.webhook.url
        for one in receiver.get("email_configs", ()):
            one.update(smarthost=here.letters.address, require_tls=False, auth_username=USER)
    return whole


def secrets(folder: Path, here: Desk, end: str = "\n") -> None:
    """Every file that the shipped configurations name, with a line's end as editors make it."""
    for name, text in {
        "sentinel-pagerduty/routing_key": pagerduty.KEY,
        "sentinel-slack/api_url": here.slack.url + slack.PATH,
        "sentinel-opsgenie/api_key": opsgenie.KEY,
        "sentinel-email/auth_password": PASSWORD,
        "sentinel-teams/webhook_url": here.teams.url + teams.PATH,
        "sentinel-webhook/token": TOKEN,
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}{end}")


class _Flagged(Alertmanager):
    def __init__(self, config: Mapping[str, Any], more: Sequence[str], binary: str) -> None:
        super().__init__(config, binary=binary)
        self._more = more

    def flags(self) -> Sequence[str]:
        return (*super().flags(), *self._more)


@contextmanager
def desk(folder: Path, *kinds: str, flags: Sequence[str] = (), binary: str = "alertmanager") -> Iterator[Desk]:
    """An Alertmanager that tells all of `kinds`, and what they are told. `flags`: more of its command line."""
    with ExitStack() as stack:
        made = (pagerduty.pagerduty(), slack.slack(), opsgenie.opsgenie(), teams.teams(), Mailbox(), Webhook())
        for one in made:
            stack.enter_context(one)
        here = Desk(*made)
        # Before 0.28.1 a line's end is taken for a part of Opsgenie's key, as the heads of the files say.
        secrets(folder, here, "\n" if binary == "alertmanager" else "")
        config = addressed(placed(everyone(merged(*kinds)), folder), here)
        here.manager = stack.enter_context(_Flagged(config, flags, binary))
        yield here


@contextmanager
def operated_by(open_desk: Desk, configure: Callable[[Desk], dict[str, Any]], folder: Path) -> Iterator[Desk]:
    """The same vendors with another Alertmanager, by what `configure` makes of them."""
    secrets(folder, open_desk)
    with Alertmanager(configure(open_desk)) as manager:
        there = copy.copy(open_desk)
        there.manager = manager
        yield there
