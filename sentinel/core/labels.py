"""The closed sets that metrics of several kinds of process share: labels, and the bounds of buckets in seconds."""

from sentinel.core.verdict import Reason

PUSH_RESULTS = ("accepted", "refused", "unreachable", "dropped")
ANCHORED = PUSH_RESULTS[:3]
"""How the telling of a journal's head ended; none is dropped, the next one stands for it."""
_CONCLUSIVE = (Reason.DENIED, Reason.ALLOWED, Reason.SERVED, Reason.ADMISSION, Reason.REVIEW)
_CROSSED = (Reason.UNATTRIBUTED, Reason.ARRIVED, Reason.LATE, Reason.KEPT)
_OF_SERVICES = (Reason.REFUSED, Reason.FAILED, Reason.FOREIGN)
_OF_ANSWERS = (Reason.ABSENT, Reason.SILENT, Reason.BROKEN, Reason.UNASKED)
_OF_NETWORK = (
    Reason.ROSTER,
    Reason.LIVE,
    Reason.BEACON,
    Reason.LIGHTHOUSE,
    Reason.NEUTRAL,
    Reason.PROXIED,
    Reason.ARRIVALS,
    Reason.MOVED,
    Reason.RESOLVER,
    Reason.WAY,
)
_NOT_OF_API = (Reason.UNPROVEN, *_CONCLUSIVE, *_CROSSED, *_OF_SERVICES, *_OF_NETWORK)
REASONS = tuple(reason for reason in Reason if reason not in _NOT_OF_API)
"""Reasons that a question about the API can be inconclusive for."""
NETWORK_REASONS = (*_OF_NETWORK, *_OF_ANSWERS)
"""The same of a question to the network."""
GATEWAY_REASONS = (Reason.LIMITED, Reason.SILENT, Reason.BROKEN, Reason.UNASKED)
"""The same of whether a gateway keeps its answers apart."""
LAGS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
DELAYS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
