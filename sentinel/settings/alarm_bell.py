"""Whether pages arrive, tried; and who outside is told when nobody inside can any more. Only the witness does it."""

from __future__ import annotations

from datetime import timedelta

from sentinel.settings.duration import Duration
from sentinel.settings.section import Section
from sentinel.settings.words import FilePath, Flag, Listen


class PageDrill(Section):
    """A breach that is none, through rule and push to every Alertmanager, and timed.

    It runs where `alerting.prometheus` and `paging.direct` say that there is a way to page.
    """

    every: Duration | None = timedelta(minutes=15)
    """Between two drills; after one that fails the next one comes a minute later. What breaks is found that late, and
    each drill is two notifications to nobody. `None`: there are none."""

    within: Duration = timedelta(seconds=60)
    """Later than that is late, and after twice as long it is lost. By the shipped settings the rule takes 36 s at most
    while everything works, and a resend 25 more."""

    listen: Listen | None = None
    """Where Alertmanager's webhook for the drill's route reaches us, path /page-drill. `None`: it is measured up to
    Alertmanager only, and whether its route leads anywhere is not seen."""

    token: FilePath | None = None
    """A file with the bearer token that this webhook must bring. `None`: whoever reaches the port and knows the run's
    number may say that it arrived."""

    wakes: Flag = False
    """The push has severity critical in place of none, so that the route may hand it to the pager, too."""


class Heartbeat(Section):
    """A URL outside that is asked for as long as a page would come. Its owner tells somebody when that ends."""

    file: FilePath | None = None
    """Holds the URL, which is a secret as a rule: whoever has it can pretend that all is well. It is read again when it
    changes. `None`: nobody outside is told."""

    every: Duration = timedelta(seconds=30)
    """Between two beats. A switch that waits for 120 s loses three before it tells."""
