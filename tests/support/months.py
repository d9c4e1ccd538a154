"""Journals as a month leaves them, written by hand so that every figure of their report is known.

month = Month(folder / "journal.jsonl", "witness")
month.start(day=0)
month.rounds(day=0, hours=24)          a line every five minutes: all proven
month.open(day=3, at=3600, ...)
month.kill(); month.start(day=4)
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sentinel.core.audit import chain
from sentinel.core.audit.chain import NOTHING, Head
from sentinel.core.page import rfc3339

BEGIN = 1793491200.0  # 2026-11-01T00:00:00Z
DAY = 86400.0
EVERY = 300.0


@dataclass
class Month:
    """One journal in the making. `write` puts it on the disk, a file a day."""

    path: Path
    by: str
    head: Head = field(default_factory=lambda: Head("0123456789ab", 0, NOTHING))
    rows: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    started: float = 0.0

    def say(self, at: float, **row: Any) -> None:
        """One line."""
        self.rows.append((at, row))

    def start(self, at: float) -> None:
        """The process begins."""
        self.started = at
        self.say(at, event="process", turn="started", by=self.by, version="0.1.0")

    def stop(self, at: float) -> None:
        """It ends as it was told."""
        self.say(at, event="process", turn="stopped", by=self.by, version="0.1.0")

    def rounds(
        self,
        since: float,
        until: float,
        tenant: str,
        targets: tuple[str, ...],
        *,
        open_: tuple[str, ...] = (),
        blind: dict[str, list[str]] | None = None,
        proofs: int = 10,
        **more: Any,
    ) -> None:
        """A line every five minutes in which all targets but these are proven."""
        at = since
        while at < until:
            proven = {target: rfc3339(max(at - 60, self.started)) for target in targets}
            breaches = [
                {"check": "api/secrets", "identity": "self", "target": target, "since": rfc3339(since)}
                for target in open_
            ]
            counted = {target: proofs for target in targets if target not in open_ and target not in (blind or {})}
            self.say(
                at, event="round", tenant=tenant, rounds=10, questions=100, proofs=counted, oldest_proof=proven,
                breaches=breaches, inconclusive=blind or {}, gates_down=[], coverage=1.0, **more,
            )  # fmt: skip
            at += EVERY

    def turn(self, at: float, event: str, tenant: str, target: str, question: str, **breach: Any) -> None:
        """Belief about one question turned."""
        told = {name: rfc3339(value) if isinstance(value, float) else value for name, value in breach.items()}
        self.say(
            at, event=event, tenant=tenant, check="api/secrets", question=question, identity="self", target=target,
            subsumed=False, breach=told,
        )  # fmt: skip

    def write(self, tamper: Callable[[list[bytes]], list[bytes]] = lambda lines: lines) -> None:
        """All of it, the last day as the file that is still written to."""
        days = sorted({int((at - BEGIN) // DAY) for at, _ in self.rows})
        for day in days:
            rows = [
                (at, row) for at, row in sorted(self.rows, key=lambda row: row[0]) if int((at - BEGIN) // DAY) == day
            ]
            lines = []
            for at, row in [(rows[0][0], chain.begun(self.head, 1)), *rows]:
                line, self.head = chain.seal(self.head, _inner(at, row))
                lines.append(line)
            name = self.path.name if day == days[-1] else f"{self.path.name}.{rfc3339(BEGIN + day * DAY)[:10]}"
            self.path.with_name(name).write_bytes(b"".join(line + b"\n" for line in tamper(lines)))


def _inner(at: float, row: dict[str, Any]) -> str:
    import json

    return json.dumps({"at": rfc3339(at), **row}, separators=(",", ":"))[1:-1]
