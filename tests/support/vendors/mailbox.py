"""A mail server on loopback, as far as RFC 5321 and AUTH PLAIN go: it keeps the letters, parsed.

Strict where a letter could smuggle something in: bare line feeds, and headers that come twice.
"""

import base64
import email
import email.policy
import socketserver
import threading
import time
from collections.abc import Callable
from email.message import EmailMessage
from typing import Any

from tests.support.threaded import Threaded

USER, PASSWORD = "sentinel@example.com", "a password"


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever hangs up in the middle is no news here."""


class Mailbox(Threaded):
    """Takes mail as soon as the `with` block begins, at `address`. `then(451)`: what the next letter is answered."""

    def __init__(self) -> None:
        self._letters: list[EmailMessage] = []
        self._next: list[int] = []
        self._arrived = threading.Condition()
        super().__init__(_Server(("127.0.0.1", 0), self._handler()), "mailbox")

    def then(self, *codes: int) -> None:
        with self._arrived:
            self._next.extend(codes)

    @property
    def letters(self) -> list[EmailMessage]:
        with self._arrived:
            return list(self._letters)

    def clear(self) -> None:
        with self._arrived:
            self._letters.clear()

    def wait_for(self, wanted: Callable[[EmailMessage], object], within: float = 30.0) -> EmailMessage:
        until = time.monotonic() + within
        with self._arrived:
            while True:
                for letter in self._letters:
                    if wanted(letter):
                        return letter
                if not self._arrived.wait(until - time.monotonic()) and time.monotonic() > until:
                    raise TimeoutError(f"no such letter; there were {[found['Subject'] for found in self._letters]}")

    def _take(self, data: bytes) -> int:
        if b"\n" in data.replace(b"\r\n", b""):
            return 554
        letter = email.message_from_bytes(data, _class=EmailMessage, policy=email.policy.default)
        if any(len(letter.get_all(name, [])) != 1 for name in ("Subject", "From", "To", "Content-Type")):
            return 554
        with self._arrived:
            if self._next:
                return self._next.pop(0)
            self._letters.append(letter)
            self._arrived.notify_all()
        return 250

    def _handler(self) -> type[socketserver.StreamRequestHandler]:
        take = self._take
        wanted = base64.b64encode(f"\0{USER}\0{PASSWORD}".encode())

        class Handler(socketserver.StreamRequestHandler):
            def say(self, *lines: str) -> None:
                self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())

            def handle(self) -> None:
                self.say("220 mailbox ESMTP")
                known = False
                while line := self.rfile.readline():
                    verb, _, rest = line.strip().partition(b" ")
                    match verb.upper():
                        case b"EHLO":
                            self.say("250-mailbox", "250-8BITMIME", "250 AUTH PLAIN")
                        case b"AUTH":
                            known = rest == b"PLAIN " + wanted
                            self.say("235 2.7.0 welcome" if known else "535 5.7.8 who are you?")
                        case b"MAIL" | b"RCPT":
                            self.say("250 2.1.0 fine" if known else "530 5.7.0 who are you?")
                        case b"DATA":
                            self.say("354 go on")
                            self.say(f"{take(self.letter())} 2.0.0 that was it")
                        case b"QUIT":
                            self.say("221 2.0.0 bye")
                            return
                        case _:
                            self.say("250 2.0.0 as you say")

            def letter(self) -> bytes:
                lines: list[bytes] = []
                while (line := self.rfile.readline()) not in (b".\r\n", b""):
                    lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
                return b"".join(lines)

        return Handler
