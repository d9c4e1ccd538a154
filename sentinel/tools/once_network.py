"""`sentinel once net/...`: what the sentinel that runs here finds in its next round over the network.

Its key is in no file and the roster knows no other one of this pod, so nobody but itself can ask. So
this waits beside it until everything of that check was asked once more, and tells what came back.
"""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import aiohttp

from sentinel.clients.clock import Clock
from sentinel.core.net.net_gates import NetGate
from sentinel.core.verdict import State
from sentinel.errors import BadReply, OwnFault, Unreachable
from sentinel.reports.outcome import EXIT_CODES
from sentinel.settings import Settings
from sentinel.settings.words import Address

_POLL_SECONDS = 0.5
_ROUNDS = 3.0
"""Rounds that are waited for: the one that is under way began before us."""
_MOST_BYTES = 64 * 1024 * 1024
_GATES = frozenset(NetGate)
_GRAVITY = (State.HELD, State.INCONCLUSIVE, State.BREACHED)

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Seen:
    """What is believed of each question of a check, and how to see a breach. `waited`: not all was asked anew."""

    rows: tuple[Row, ...]
    breaches: tuple[Row, ...]
    gates: tuple[Row, ...]
    waited: bool = False

    @property
    def state(self) -> State:
        """The worst; of nothing nothing is known."""
        if not self.rows or self.waited:
            open_ = any(row["verdict"] == State.BREACHED for row in self.rows)
            return State.BREACHED if open_ else State.INCONCLUSIVE
        return max((State(row["verdict"]) for row in self.rows), key=_GRAVITY.index)

    @property
    def exit_code(self) -> int:
        """0 held, 1 breached, 3 inconclusive."""
        return EXIT_CODES[self.state]

    def as_json(self) -> Row:
        """For programs."""
        return {"verdict": self.state.value, "questions": list(self.rows), "breaches": list(self.breaches)}


async def ask(settings: Settings, check: str, clock: Clock | None = None) -> Seen:
    """Wait for the next whole round of this check. Raises OwnFault where no sentinel runs beside us."""
    clock = clock or Clock()
    since, deadline = clock.wall(), None
    async with aiohttp.ClientSession(trust_env=False) as session:
        while True:
            status = await _get(session, settings.web.console, "status")
            rows = [row for row in status["standings"] if row["check"] == check]
            if deadline is None:
                period = status["round"]["periods"].get("network", 0.0) if status["round"] else 0.0
                deadline = clock.monotonic() + _ROUNDS * max(period, _POLL_SECONDS)
            is_new = bool(rows) and all((row["last_asked"] or 0.0) >= since for row in rows)
            if is_new or clock.monotonic() > deadline:
                found = await _get(session, settings.web.console, "breaches")
                open_ = tuple(row for row in found if row["check"] == check and row["active"])
                gates = tuple(row for row in status["gates"] if not row["up"] and row["gate"] in _GATES)
                return Seen(tuple(rows), open_, gates, not is_new)
            await asyncio.sleep(_POLL_SECONDS)


def text(seen: Seen) -> str:
    """For people: what is open with its evidence, what cannot be proven with its reason, the rest as a number."""
    lines = []
    for row in seen.breaches:
        evidence = f"{row['reason']}, {row['place'] or 'place not known'}, challenge {row['audit_id']}"
        lines.append(f"BREACHED {row['identity']} may {row['question']} in {row['target']} ({evidence})")
    blind = [row for row in seen.rows if row["verdict"] == State.INCONCLUSIVE]
    lines += [f"INCONCLUSIVE {row['question']} in {row['target']}: {row['reason']}" for row in blind]
    held = sum(row["verdict"] == State.HELD for row in seen.rows)
    lines.append(f"HELD {held} of {len(seen.rows)} questions")
    if seen.waited:
        lines.append("not everything was asked anew in time: this is what was believed before")
    lines += [f"gate {row['gate']} is red{_of(row['target'])}: {row['detail']}" for row in seen.gates]
    return "\n".join(lines) + "\n"


def _of(target: str) -> str:
    return f" for {target}" if target else ""


async def _get(session: aiohttp.ClientSession, console: Address, what: str) -> Any:
    url = f"http://{console}/api/v1/{what}"
    try:
        async with session.get(url, timeout=aiohttp.ClientTimeout(total=10)) as response:
            body = await response.content.read(_MOST_BYTES)
            return json.loads(body)
    except TimeoutError as error:
        raise Unreachable(f"{url}: no answer within 10 s") from error
    except aiohttp.ClientError as error:
        hint = "only the sentinel itself can ask over the network: run this in its pod, beside it"
        raise OwnFault(f"{url}: no sentinel answers there ({type(error).__name__}); {hint}") from error
    except ValueError as error:
        raise BadReply(f"{url}: that is no sentinel's console") from error
