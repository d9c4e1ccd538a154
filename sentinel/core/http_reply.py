"""What came back from a port that should speak HTTP: the status it gave, or how it did not get so far."""

import re

from sentinel.core.answer import Answer, Observation
from sentinel.core.net.landing import TIMEOUT, Landing

LATE_SHARE = 0.25
"""Of the time a socket was given. A silence over which our own loop was later than that is ours."""
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5]\d\d)(?: [^\r\n]*)?\r?\n")
_REFUSED = frozenset({"ECONNREFUSED", "EHOSTUNREACH", "EACCES"})
"""Somebody on the way, or at its end, said no: RST, or ICMP (v6: administratively prohibited)."""


def status_of(landing: Landing) -> int | None:
    """The HTTP status, None where none came."""
    found = _STATUS.match(landing.reply)
    return int(found[1]) if found else None


def body_of(landing: Landing) -> str:
    """What was read of the body, as text."""
    return landing.reply.partition(b"\r\n\r\n")[2].decode("ascii", "replace")


def unanswered(landing: Landing) -> Observation:
    """The answer where no HTTP status came back."""
    return Observation(_without_status(landing), landing.began, landing.took, detail=_told(landing))


def _without_status(landing: Landing) -> Answer:
    if landing.connected:
        # Somebody is there and does not say what this one says. A proxy may do that, or a server
        # that is starting: it proves neither that it may be reached nor that it may not.
        return Answer.BROKEN
    if landing.error in _REFUSED:
        return Answer.DENIED
    given = landing.took - landing.late
    if landing.error == TIMEOUT and landing.late <= LATE_SHARE * given:
        return Answer.SILENT
    return Answer.UNASKED


def _told(landing: Landing) -> str:
    ended = landing.error or ("a reply that is no HTTP" if landing.reply else "closed without a word")
    return f"connected, then {ended}" if landing.connected else ended
