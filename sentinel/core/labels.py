"""The closed sets that metrics of several kinds of process share: labels, and the bounds of buckets in seconds."""

from sentinel.core.verdict import Reason

PUSH_RESULTS = ("accepted", "refused", "unreachable", "dropped")
_CONCLUSIVE = (Reason.DENIED, Reason.ALLOWED, Reason.SERVED, Reason.ADMISSION, Reason.REVIEW)
_OF_SERVICES = (Reason.REFUSED, Reason.FAILED)
REASONS = tuple(reason for reason in Reason if reason not in (Reason.UNPROVEN, *_CONCLUSIVE, *_OF_SERVICES))
"""Reasons that a question about the API can be inconclusive for."""
LAGS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
DELAYS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
