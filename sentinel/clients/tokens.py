"""Tokens: where each identity's comes from, re-read when it changes, never kept longer than needed.

An empty file is an error and never an anonymous request: the API server would deny that perfectly.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from sentinel.core.api.token import Claims, claims_of
from sentinel.errors import OwnFault

_MOST_BYTES = 64 * 1024
"""Of a token file; a projected token has about 1,200. The API server takes no longer header."""


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token and what it says of itself. Its text appears in no repr."""

    text: str = field(repr=False)
    claims: Claims | None


class Source(Protocol):
    """Where an identity's token comes from."""

    def read(self) -> Token | None:
        """The current token; None for an identity without one on purpose. Raises OwnFault."""
        ...


class NoToken:
    """An identity that is anonymous on purpose."""

    def read(self) -> None:
        """None, always."""
        return


class FileToken:
    """A projected token: kubelet replaces the file, so it is read again whenever it changes."""

    def __init__(self, path: Path, *, spaces: bool = False) -> None:
        """Nothing is read yet. `spaces`: it is the whole of a header, in which they may be."""
        self._path, self._spaces = path, spaces
        self._seen: tuple[int, int, int] | None = None
        self._token: Token | None = None

    def read(self) -> Token:
        """The file's token, stripped. Raises OwnFault when it is missing, empty or unfit."""
        try:
            stat = self._path.stat()
            if stat.st_size > _MOST_BYTES:
                raise OwnFault(f"token file {self._path}: longer than a token ({stat.st_size} bytes)")  # noqa: TRY301
            mark = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
            if self._token is None or mark != self._seen:
                text = self._path.read_text("ascii", "strict").strip()
                self._token, self._seen = parse(text, str(self._path), spaces=self._spaces), mark
        except (OSError, UnicodeDecodeError) as error:
            self._token = None
            raise OwnFault(f"token file {self._path}: {type(error).__name__}") from error
        except OwnFault:
            self._token = None
            raise
        return self._token


class HeldToken:
    """A token that somebody else renews: a kubeconfig's, or one from a TokenRequest."""

    def __init__(self, why_missing: str) -> None:
        """`why_missing` is said for as long as there is none."""
        self._why = why_missing
        self._token: Token | None = None

    def put(self, token: Token) -> None:
        """Take the renewed token."""
        self._token = token

    def excuse(self, why: str) -> None:
        """Take the reason why it could not be renewed; an older token is used while it lasts."""
        self._why = why

    def read(self) -> Token:
        """The token. Raises OwnFault while there is none."""
        if self._token is None:
            raise OwnFault(self._why)
        return self._token


def parse(text: str, where: str, *, spaces: bool = False) -> Token:
    """A token fit for a header. Raises OwnFault for an empty one, or one with spaces or control characters."""
    if not text:
        raise OwnFault(f"{where}: the token is empty")
    if not text.isprintable() or (" " in text and not spaces):
        raise OwnFault(f"{where}: the token has characters that no token has")
    return Token(text, claims_of(text))
