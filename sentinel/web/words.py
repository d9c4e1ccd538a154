"""How the page says things: times, spans, reasons and gates, for a person at night."""

from datetime import UTC, datetime

from sentinel.core.api.gates import Gate
from sentinel.core.net.net_gates import NetGate
from sentinel.core.verdict import Reason

REASONS = {
    Reason.TOKEN: "our token is missing, stale or not ours",
    Reason.WHOAMI: "the API server did not say who we are",
    Reason.READY: "the API server cannot be reached, is starting or is stopping",
    Reason.TYPE: "the type asked about is not served by this cluster",
    Reason.TRIPWIRE: "the review of our rules there fails",
    Reason.CANARY: "what we may read was not granted: RBAC is not loaded, or our Role is gone",
    Reason.DOOR: "the target's door is shut: its namespace is gone, or the Role sentinel-door in it",
    Reason.DECOY: "the decoys were judged wrong: we might not see a breach",
    Reason.IDENTITY: "the API server says that we are somebody else",
    Reason.RECONNECT: "the connection changed in the middle of a round",
    Reason.ROSTER: "the witness does not say which beacons there are, or not lately",
    Reason.LIVE: "the target's beacon is not ready, or it is another pod than before",
    Reason.BEACON: "our own beacon does not answer us: our own side may be deaf",
    Reason.LIGHTHOUSE: "the witness's lighthouse, which all may reach, does not answer us: we may be cut off",
    Reason.NEUTRAL: "a network policy of ours selects one of the two ends",
    Reason.PROXIED: "even an address of nobody is connected, as behind a mesh's proxy",
    Reason.ARRIVALS: "the other end did not report what arrived",
    Reason.MOVED: "somebody else has that address now",
    Reason.RESOLVER: "DNS does not resolve what everybody may, or resolves what is not there",
    Reason.WAY: "we had no way to send it",
    Reason.LIMITED: "we were told to ask less",
    Reason.ABSENT: "nobody answers there",
    Reason.SILENT: "no reply in time",
    Reason.BROKEN: "the reply made no sense",
    Reason.UNASKED: "we could not ask",
    Reason.REVIEW_ONLY: "a review says granted, and it cannot be asked for real",
    Reason.UNPROVEN: "not asked yet",
    Reason.DENIED: "denied, with every gate green",
    Reason.ALLOWED: "we were let in, and an exception wants it so",
    Reason.SERVED: "we were let in",
    Reason.ADMISSION: "authorised, and stopped by admission only",
    Reason.REVIEW: "a review says that they would be let in",
    Reason.UNATTRIBUTED: "somebody took the connection, and did not prove who it is",
    Reason.ARRIVED: "our packet arrived there, and only its answer was cut",
    Reason.LATE: "let in while the pod was younger than 10 s: its policy comes late",
    Reason.KEPT: "a connection from before still gets through, new ones do not",
    Reason.FOREIGN: "a gateway gave us what bears somebody else's mark",
    Reason.REFUSED: "denied, where it should have been served",
    Reason.FAILED: "not served for too long",
}

GATES: dict[Gate | NetGate, str] = {
    Gate.TOKEN: "our token is fresh and ours",
    Gate.WHOAMI: "the API server names us",
    Gate.READY: "the API server is ready, on this very connection",
    Gate.TYPE: "the types asked about are served",
    Gate.CANARY: "what we may read is granted",
    Gate.DECOY: "an open decoy is seen as open, a closed one as closed",
    Gate.DOOR: "every target is there, and lets us through its door",
    Gate.TRIPWIRE: "the review of our rules covers every target",
    NetGate.ROSTER: "the witness says which beacons there are, and knows ours",
    NetGate.BEACON: "our own beacon answers us, on every way that is asked",
    NetGate.LIGHTHOUSE: "the witness's lighthouse, which all may reach, answers us",
    NetGate.LIVE: "every beacon is ready by the kubelet's word, the same pod before and after",
    NetGate.NEUTRAL: "no network policy of ours selects either end",
    NetGate.PROXIED: "an address of nobody is not connected",
    NetGate.ARRIVALS: "every beacon has reported what arrived",
}

_UNITS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))


def span(seconds: float, units: int = 2) -> str:
    """So many units at most: `4 s`, `12 min 5 s`, `3 d 4 h`. What is negative is nothing."""
    left = round(max(0.0, seconds), 1 if seconds < 10 else 0)
    if left < 60:
        return f"{left:g} s"
    words: list[str] = []
    for size, name in _UNITS:
        count, left = divmod(left, size)
        if count or words:
            words.append(f"{count:.0f} {name}" if count else "")
        if len(words) == units:
            break
    return " ".join(filter(None, words))


def clock(at: float, now: float) -> str:
    """The moment in UTC; with its date, unless that is today's."""
    moment, today = datetime.fromtimestamp(at, UTC), datetime.fromtimestamp(now, UTC)
    form = "%H:%M:%S UTC" if moment.date() == today.date() else "%Y-%m-%d %H:%M:%S UTC"
    return moment.strftime(form)


def count(number: int, one: str, many: str = "") -> str:
    """`1 question`, `2 questions`."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def percent(share: float) -> str:
    """Rounded down: what is not all is never called 100 %."""
    return f"{int(share * 1000) / 10:g} %" if share < 1 else "100 %"
