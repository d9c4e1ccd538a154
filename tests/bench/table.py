"""A table for README: what was measured, with what spread, against which goal, and where."""

import os
import platform
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.parts.find import recipe_of


class Row(NamedTuple):
    """One line; `goal` is empty where there is none."""

    figure: str
    measured: str
    goal: str = ""


def machine(*parts: str) -> list[str]:
    """Where and when this was measured, and beside how much else; `parts` are binaries."""
    versions = ", ".join(f"{name} {recipe_of(name).version}" for name in parts)
    load = " ".join(f"{average:.2f}" for average in os.getloadavg())
    return [
        f"{time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}; "
        f"{os.cpu_count()} cores ({processor()}), {memory_gib():.0f} GiB, Linux {platform.release()}, "
        f"Python {platform.python_version()}; {versions}.",
        f"Load average at the start: {load}.",
    ]


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def memory_gib() -> float:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30


def line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def head(*cells: str) -> str:
    return f"{line(cells)}\n{line(['---'] * len(cells))}"


def spread(values: Sequence[float], digits: int = 0, unit: str = "") -> str:
    """Median and range: `231 µs (219-262)`."""
    low, middle, high = (f"{value:.{digits}f}" for value in (min(values), statistics.median(values), max(values)))
    return f"{middle}{f' {unit}' if unit else ''} ({low}-{high})"
