"""Everything that can go wrong with *us*: our configuration, our credentials, our way to the others.

What the far side answers is never an exception but an `Observation`. An error of this file means
that we could not ask, or were told to do something that makes no sense. Foreign errors (aiohttp,
ssl, yaml, kubernetes) are translated at one edge each and always chained, so that the rest of the
code has these few names to catch.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a configuration, said so that the reader can mend it at once."""

    file: str
    """Where it was written: a path, or the name of an environment variable."""
    line: int
    """Line in that file, from 1; 0 where there are no lines (a variable, a missing file)."""
    key: str
    """The way to the value, as in `tenants[1].namespaces[0]`; empty for the file as a whole."""
    found: str
    """What stands there: one line, cut, and never a secret."""
    expected: str
    """What should stand there."""
    hint: str = ""
    """What to do about it, where that is not obvious."""

    def __str__(self) -> str:
        """Give the one-line form: `file:line: key: found this, expected that (hint)`."""
        where = f"{self.file}:{self.line}" if self.line else self.file
        key = f"{self.key}: " if self.key else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{where}: {key}found {self.found}, expected {self.expected}{hint}"


class SentinelError(Exception):
    """The root: whatever sentinel itself raises on purpose."""


class ConfigError(SentinelError):
    """The configuration is wrong; carries every problem found, not just the first. Exit code 2."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        """Keep the problems in the order given."""
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class ClientError(SentinelError):
    """We asked somebody outside and got no usable answer."""


class Unreachable(ClientError):
    """No connection: refused, no route, name not found, TLS not agreed."""


class Refused(ClientError):
    """They know us and said no: 401 or 403."""


class Throttled(ClientError):
    """They asked us to slow down: 429 and the like. `after`: for how many seconds, 0 if they did not say."""

    def __init__(self, message: str, after: float = 0.0) -> None:
        """Keep how long to wait."""
        self.after = after
        super().__init__(message)


class TimedOut(ClientError):
    """No answer within the time given."""


class BadReply(ClientError):
    """An answer that makes no sense here: not the protocol, not the type, not the size."""


class OwnFault(ClientError):
    """We could not even ask: our token, our files, our own name resolution."""
