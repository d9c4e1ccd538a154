"""Connections that outlive a policy: where something stood open, one is kept, and asked again in each round.

    crossing served --open--> held --new sockets denied, and it still answers--> breach `kept`
                               |---gone, and new sockets are held in two rounds--> closed

Policies are enforced when a connection is made; many leave alone what was made before.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from sentinel.clients.clock import Clock
from sentinel.core.answer import Answer, Mark, Observation
from sentinel.core.net import net_plan
from sentinel.core.net.crossing import Crossing, Path, Protocol
from sentinel.core.net.net_gates import Way
from sentinel.core.net.net_plan import Role, Shot
from sentinel.core.net.roster import Beacon, Roster
from sentinel.core.verdict import GREEN, Bracket, State, Verdict
from sentinel.engine import voice
from sentinel.engine.crossings import Crossings
from sentinel.engine.voice import Said, Voice
from sentinel.kinds import Lines

SOURCE = "kept"


@dataclass
class Outliving:
    """What is kept, and what it says. `timeout` in seconds."""

    lines: Lines
    book: Crossings
    voice: Voice
    clock: Clock
    timeout: float

    async def ask(self, roster: Roster, own: Beacon) -> dict[Crossing, Observation]:
        """What the target answers over what is held, by the question that new sockets ask; only what it signed."""
        places = {(address, b.port): b for b in _others(roster, own) for address in b.addresses}
        self.lines.keep_only(places.keys())
        shots = [_shot(places[place], place[0]) for place in self.lines.places() & places.keys()]
        said = self.voice.say(shots, own)
        found: dict[Crossing, Observation] = {}
        if said:
            landings = await self.lines.ask([one.attempt for one in said], self.timeout)
            for one, landing in zip(said, landings, strict=True):
                who = voice.who(one, landing, roster) if landing.reply else None
                crossing = one.shot.crossing
                if who is not None and crossing is not None and who.target == crossing.target:
                    found[crossing] = voice.observe(one, landing, who, self.timeout, live=True)
        return found

    async def hold(self, served: Iterable[Said], own: Beacon) -> None:
        """Keep a connection of TCP to each of these, where none is held yet."""
        held = self.lines.places()
        wanted = {
            (one.shot.address, one.shot.port): one.shot
            for one in served
            if one.shot.way.path is Path.POD and one.shot.way.protocol is Protocol.TCP
        }
        shots = [replace(shot, after=0.0) for place, shot in wanted.items() if place not in held]
        if shots:
            await self.lines.open([one.attempt for one in self.voice.say(shots, own)], self.timeout)

    def judge(
        self, answers: Mapping[Crossing, Observation], new: Mapping[Crossing, Verdict], number: int, period: float
    ) -> None:
        """`new`: what this round's fresh sockets came to, by their question. `period` in seconds."""
        alone = [asked for asked in answers if asked in new and new[asked].state is not State.BREACHED]
        asked_by = {kept: replace(kept, path=Path.POD) for kept in self.book.opened(Crossing) if kept.path is Path.KEPT}
        asked_by |= {replace(asked, path=Path.KEPT): asked for asked in alone}
        self.book.plan(SOURCE, [*asked_by], period, self.clock.wall())
        for kept, asked in asked_by.items():
            seen, found = answers.get(asked), new.get(asked)
            if seen is not None:
                self.book.take(kept, replace(seen, mark=Mark.KEPT), GREEN, number)
            else:
                self._gone(kept, found, number)

    def _gone(self, kept: Crossing, found: Verdict | None, number: int) -> None:
        """It says nothing any more: proof, if nothing new gets there either."""
        held = found is not None and found.state is State.HELD
        answer = Answer.DENIED if held else Answer.UNASKED
        red = found.reason if found is not None and found.state is State.INCONCLUSIVE else None
        seen = Observation(answer, self.clock.wall(), detail="the connection from before is gone")
        self.book.take(kept, seen, Bracket(after=red), number)


def _others(roster: Roster, own: Beacon) -> Iterable[Beacon]:
    return (beacon for beacon in roster.beacons if beacon.tenant != own.tenant)


def _shot(beacon: Beacon, address: str) -> Shot:
    family = net_plan.family_of(address)
    crossing = Crossing("self", beacon.target, Protocol.TCP, family, Path.POD)
    return Shot(Role.ASK, Way(Protocol.TCP, family, Path.POD), address, beacon.port, 0.0, beacon, crossing)
