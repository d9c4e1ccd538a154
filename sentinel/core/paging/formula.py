"""How long a page takes at worst, term by term.

    push:  (detection) +                                     group + [peer] + delivery + [receiver]
    rule:  (detection) + scrape + [timeout] + evaluation + recordings + for + query offset
                       + group + position + [peer] + [resend] + delivery + [receiver]

Terms in brackets are there only while something fails: a slow `/metrics`, a dead Alertmanager, a first
delivery that is lost, a receiver that answers 5xx. They add up: the promise has to hold on that day, too.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

DELIVERY = 1.0
"""Seconds from Alertmanager to the receiver's answer; 7 ms were measured on loopback, the rest is the way there."""
BACKOFF = 9.0
"""The longest pause of Alertmanager between two attempts at a receiver that answers 5xx (8.6 s measured)."""
PEER_TIMEOUT = 15.0
"""Alertmanager's default of `--cluster.peer-timeout`, which no API tells."""


class When(StrEnum):
    """In which world a term counts."""

    ALWAYS = "always"  # everything works
    FAILURE = "failure"  # something between us and the phone does not


class Path(StrEnum):
    """The two ways to Alertmanager; the label `path` of the alert."""

    RULE = "rule"
    PUSH = "push"


@dataclass(frozen=True, slots=True)
class Term:
    """One summand, seconds. `setting`: what makes it so, for people. `given`: nobody can change it there."""

    name: str
    seconds: float
    setting: str
    when: When = When.ALWAYS
    given: bool = False


def scraped(interval: float, timeout: float, where: str) -> Iterable[Term]:
    """From the value at the target to the series."""
    yield Term("scrape interval", interval, f"scrape_interval of {where}")
    yield Term("scrape timeout", timeout, f"scrape_timeout of {where}, if /metrics is slow", When.FAILURE)


def evaluated(interval: float, waits: float, recorded: float, offset: float, group: str) -> Iterable[Term]:
    """From the series to the alert that fires: `for` is waited for in whole evaluations."""
    yield Term("evaluation", interval, f"interval of group {group}")
    if recorded:
        yield Term("recordings", recorded, "intervals of the groups that record what the alert reads")
    if waits:
        yield Term("for", math.ceil(round(waits / interval, 6)) * interval, f"for: {waits:g}s, in whole evaluations")
    if offset:
        yield Term("query offset", offset, "rule_query_offset")


def resent(delay: float, interval: float) -> Term:
    """What is lost if the first post to Alertmanager fails."""
    return Term(
        "resend", delay + interval, "--rules.alert.resend-delay and an evaluation, if a post fails", When.FAILURE
    )


def ring(known: int, members: int, timeout: float) -> Iterable[Term]:
    """The ring: each peer waits for those before it. `known`: how many are told of the alert."""
    if known < members:
        setting = f"--cluster.peer-timeout, for each of {members - known} of {members} members that is not told"
        yield Term("position in the ring", (members - known) * timeout, setting)
    if members > 1:
        yield Term("dead peer", timeout, "--cluster.peer-timeout, if the member ahead is dead", When.FAILURE)


def grouped(wait: float, interval: float, route: str) -> Term:
    """How long a group makes a new alert wait: a new one its group_wait, a living one until its next interval."""
    name = "group_interval" if interval >= wait else "group_wait"
    return Term(name, max(wait, interval), f"{name} of {route}")


def delivered() -> Iterable[Term]:
    """From Alertmanager to the phone's service."""
    yield Term("delivery", DELIVERY, "the receiver's own answer", given=True)
    yield Term(
        "receiver's retry", BACKOFF, "Alertmanager's pause, if the receiver answers 5xx", When.FAILURE, given=True
    )
