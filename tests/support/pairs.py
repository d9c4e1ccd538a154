"""Prometheus and Alertmanager as they are found beside each other: what depends on their versions is tried with both pairs."""

from typing import NamedTuple


class Pair(NamedTuple):
    """The parts of one pair, by their names."""

    prometheus: str
    alertmanager: str
    amtool: str

    def __str__(self) -> str:
        """For the names of tests."""
        return f"{self.prometheus}+{self.alertmanager}"


NEWEST = Pair("prometheus", "alertmanager", "amtool")
"""3.15 and 0.34."""
DEBIAN = Pair("prometheus2", "alertmanager025", "amtool025")
"""2.42 and 0.25, which many still run."""
PAIRS = (NEWEST, DEBIAN)
