"""The two clocks: wall time for evidence, monotonic time for durations. Nobody else reads them."""

import time


class Clock:
    """Seconds, as floats. Tests on virtual time hand in their own."""

    def wall(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds since some moment, never backwards."""
        return time.monotonic()
