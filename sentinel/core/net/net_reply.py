"""What came back on one fresh socket, without saying whether that is good: `Landing` -> `Observation`.

    signed by the target            served
    signed by somebody else         absent, moved
    connected, or a word unsigned   served, unattributed      who it was, the gates must say
    refused, unreachable            denied; absent where the target is not known to be there
    nothing in time                 silent; unasked where we were late ourselves
    a lack of our own               unasked

The errnos are Linux's. What is not in the table proves nothing.
"""

from sentinel.core.answer import Answer, Mark, Observation
from sentinel.core.net.landing import TIMEOUT, Landing

LATE_SHARE = 0.25
"""Of the timeout: by so much our own loop may be late before a silence is ours and not the far side's."""
DENIALS = frozenset({"ECONNREFUSED", "EHOSTUNREACH", "EACCES", "ECONNRESET", "ENOPROTOOPT"})
"""Somebody on the way or over there said no: a RST, or an ICMP of the kinds that firewalls send."""
CANCELLED = "ECANCELED"


def observe(
    landing: Landing, timeout: float, *, live: bool, is_target: bool | None = None, place: str = "", nonce: str = ""
) -> Observation:
    """The observation of one socket.

    `timeout` in seconds. `live`: the target is there, by somebody else's word. `is_target`: whose signed
    answer came, True for the target's, False for somebody else's, None where none came.
    """
    answer, mark, detail = _meaning(landing, timeout, live=live, is_target=is_target)
    return Observation(answer, landing.began, landing.took, detail=detail, audit_id=nonce, mark=mark, place=place)


def _meaning(
    landing: Landing, timeout: float, *, live: bool, is_target: bool | None
) -> tuple[Answer, Mark | None, str]:
    if is_target is not None:
        return (Answer.SERVED, None, "") if is_target else (Answer.ABSENT, Mark.MOVED, "signed by another pod")
    if landing.error == CANCELLED:
        return Answer.UNASKED, None, "stopped"
    if landing.error == TIMEOUT and landing.late > LATE_SHARE * timeout:
        return Answer.UNASKED, None, f"our own loop was {landing.late:.2f} s late"
    if landing.connected or landing.reply:
        return Answer.SERVED, Mark.UNATTRIBUTED, "connected without a signed answer"
    return _nothing(landing, live=live)


def _nothing(landing: Landing, *, live: bool) -> tuple[Answer, Mark | None, str]:
    if landing.error == TIMEOUT:
        return Answer.SILENT, None, landing.error
    if landing.error in DENIALS:
        return (Answer.DENIED if live else Answer.ABSENT), None, landing.error
    return (Answer.UNASKED if landing.error else Answer.BROKEN), None, landing.error or "closed before it was open"


def is_clear(landing: Landing) -> bool:
    """Of a socket to an address of nobody: whether it shows that nobody pretends to be there."""
    if landing.connected or landing.reply:
        return False
    return landing.error in DENIALS or landing.error in (TIMEOUT, *_NO_WAY)


_NO_WAY = ("ENETUNREACH", "EPERM")
"""To an address of nobody there need be no way; what we lacked ourselves shows nothing."""
