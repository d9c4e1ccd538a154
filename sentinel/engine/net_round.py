"""One round over the network: is anybody there, do our packets get there, is anybody still there.

    roster | own beacon, lighthouse | sockets, spread | the same controls | reports of arrivals | judge
    \\________ before _____________/   \\ answered:      \\_____________ after ________________/
                                        published at once

Nothing is denied before the target itself has said that nothing arrived. An answer that is signed by the
target needs no control and waits for none.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sentinel.clients.clock import Clock
from sentinel.core.answer import Mark, Observation
from sentinel.core.api.gates import UNSEEN, Light
from sentinel.core.net import net_gates, net_plan, net_reply
from sentinel.core.net.crossing import Crossing, Family, Path, Protocol
from sentinel.core.net.landing import Landing
from sentinel.core.net.net_gates import NetGate, Side, Way
from sentinel.core.net.net_plan import Role, Shot, Terms
from sentinel.core.net.roster import Beacon, Roster
from sentinel.core.verdict import GREEN, Reason
from sentinel.engine import voice
from sentinel.engine.crossings import TIER, Crossings, Try
from sentinel.engine.net_kept import Outliving
from sentinel.engine.voice import Said, Voice
from sentinel.errors import ClientError
from sentinel.kinds import Dial, Directory

ROSTER_KEPT = 60.0
"""Seconds for which addresses are still asked when the witness is silent: later somebody else may have them."""
CONTROLS_FIRST = 0.5
"""Seconds that the sockets wait for the controls before them; who is later is red, and delays nobody."""
NONCES_KEPT = 60.0
"""Seconds after which a report that a challenge of ours arrived says nothing about now."""
_CHUNK = 150  # sockets prepared in one go, with a third as many signatures: 2 ms
_ROLES = {Role.BEACON: NetGate.BEACON, Role.LIGHTHOUSE: NetGate.LIGHTHOUSE}
_OF_WAYS = (NetGate.BEACON, NetGate.LIGHTHOUSE, NetGate.PROXIED)
_OF_TARGETS = (NetGate.LIVE, NetGate.NEUTRAL, NetGate.ARRIVALS)

Ways = dict[tuple[NetGate, Way], Light]
Pods = dict[tuple[NetGate, str], Light]


@dataclass
class _Course:
    """One round under way: what was said on which socket, and how it ended."""

    roster: Roster
    own: Beacon
    asked: Sequence[Crossing]
    start: float  # monotonic
    said: list[Said] = field(default_factory=list)
    ended: dict[int, Landing] = field(default_factory=dict)
    served: dict[Crossing, Said] = field(default_factory=dict)

    @property
    def ways(self) -> list[Way]:
        """How its questions travel."""
        return list(dict.fromkeys(one.shot.way for one in self.said if one.shot.crossing is not None))


@dataclass
class NetRound:
    """Drives the rounds of the network. `news` is told of every roster that came."""

    terms: Terms
    book: Crossings
    directory: Directory
    dial: Dial
    voice: Voice
    clock: Clock
    news: Callable[[Roster], None] = lambda _: None
    kept: Outliving | None = None
    number: int = 0
    roster: Roster | None = field(default=None, init=False)
    trouble: str = field(default="", init=False)
    _taken: float = field(default=float("-inf"), init=False)  # monotonic
    _sockets: int = field(default=0, init=False)
    _sent: dict[bytes, Said] = field(default_factory=dict, init=False)
    _arrived: set[bytes] = field(default_factory=set, init=False)

    @property
    def period(self) -> float:
        """Seconds of a round, stretched where there is too much to ask."""
        return net_plan.period_of(self.terms, self._sockets)

    @property
    def own(self) -> Beacon | None:
        """Who we are, by the roster that is still good."""
        roster = self.usable
        return net_gates.own_of(roster, self.voice.signer.public) if roster is not None else None

    @property
    def usable(self) -> Roster | None:
        """The last roster, unless it is so old that its addresses may be somebody else's."""
        return self.roster if self.clock.monotonic() - self._taken <= ROSTER_KEPT else None

    async def run(self, slot: int = 0) -> None:
        """The round of a slot; whatever happens in it ends in the book."""
        del slot
        self.number += 1
        start = self.clock.monotonic()
        light = net_gates.roster_light(await self.fetch(), self.voice.signer.public, self.trouble)
        roster, own = self.usable, self.own
        asked = self._plan(roster, own)
        if roster is not None and own is not None:
            await self._on(_Course(roster, own, asked, start), light)
        else:
            self._give_up(asked, light)
        self.book.end(self.clock.wall(), self.clock.monotonic() - start, len(asked))

    async def fetch(self, *, wait: bool = False) -> Roster | None:
        """The roster of now; None when it cannot be had. What it says of arrivals is kept."""
        try:
            found = await self.directory.roster(self.roster, wait=wait)
        except ClientError as error:
            self.trouble = f"the witness does not say which beacons there are: {error}"
            return None
        self.hear(found)
        return found

    def hear(self, found: Roster) -> None:
        """Take a roster, whoever asked for it."""
        self.roster, self._taken, self.trouble = found, self.clock.monotonic(), ""
        self._arrived.update(arrival.nonce for arrival in found.arrivals if arrival.nonce in self._sent)
        self.news(found)

    def _plan(self, roster: Roster | None, own: Beacon | None) -> list[Crossing]:
        known = [asked for asked in self.book.planned if isinstance(asked, Crossing)]
        asked = net_plan.questions(self.terms, roster, own, known)
        targets = {crossing.target for crossing in asked}
        # What stands open is asked as long as anybody is to ask about that target at all.
        opened = (one for one in self.book.opened(Crossing) if one.path is not Path.KEPT)
        asked = [*dict.fromkeys([*asked, *(crossing for crossing in opened if crossing.target in targets)])]
        self.book.plan(TIER, asked, self.period, self.clock.wall())
        self.book.not_applicable = net_plan.not_applicable(roster, own)
        self.book.look_only_at(targets)
        return asked

    def _give_up(self, asked: Iterable[Crossing], light: Light) -> None:
        now = self.clock.wall()
        self.book.see(NetGate.ROSTER, light, now)
        for crossing in asked:
            self.book.unasked(crossing, Reason.ROSTER, now, self.number, light.detail)

    async def _on(self, course: _Course, light: Light) -> None:
        """The round itself, from the controls before to the verdicts."""
        await self._prepare(course)
        first: Ways = {}
        opening = asyncio.create_task(self._controls(course, first), name="network: controls before")
        try:
            await asyncio.wait({opening}, timeout=CONTROLS_FIRST)
            in_time = dict(first)
            await self._ask(course)
            over = await self.fetch()
            last: Ways = {}
            heard, _, old = await asyncio.gather(
                self._hear(course, over), self._controls(course, last), self._outlived(course)
            )
            await opening
        finally:
            opening.cancel()
        nobody = self._nobody(course)
        before = Side(light, in_time | nobody[0], self._pods(course, course.roster))
        after = Side(self._roster_after(over, heard), last | nobody[1], self._pods_after(course, over, heard))
        self._judge(course, before, after)
        self._show(course, before, after)
        if self.kept is not None:
            new = {one: self.book.standings[one].verdict for one in course.asked}
            self.kept.judge(old, new, self.number, self.period)
            await self.kept.hold(course.served.values(), course.own)

    async def _outlived(self, course: _Course) -> Mapping[Crossing, Observation]:
        return await self.kept.ask(course.roster, course.own) if self.kept is not None else {}

    async def _prepare(self, course: _Course) -> None:
        """Say something on every socket that there will be."""
        shots = net_plan.sockets(self.terms, course.roster, course.own, course.asked, self.voice.rng)
        self._sockets = len(shots)
        shots += net_plan.nobodies(self.terms, (shot.way for shot in shots))
        # Those of one question together: they share a challenge.
        shots.sort(key=lambda shot: (shot.address, shot.way))
        for first in range(0, len(shots), _CHUNK):
            course.said += self.voice.say(shots[first : first + _CHUNK], course.own)
            await asyncio.sleep(0)
        self._sent |= {one.nonce: one for one in course.said if one.shot.crossing is not None}

    async def _ask(self, course: _Course) -> None:
        """Open all sockets; what is answered by the target is published at once."""

        def landed(index: int, landing: Landing) -> None:
            if index not in course.ended:
                course.ended[index] = landing
                self._publish(course, course.said[index], landing)

        attempts = [one.attempt for one in course.said]
        for index, landing in enumerate(await self.dial(attempts, self.terms.timeout, landed)):
            landed(index, landing)

    def _publish(self, course: _Course, said: Said, landing: Landing) -> None:
        crossing = said.shot.crossing
        found = voice.who(said, landing, course.roster) if landing.reply else None
        if crossing is None or found is None:
            return
        self._sent.pop(said.nonce, None)
        if found.target == crossing.target and crossing not in course.served:
            course.served[crossing] = said
            seen = voice.observe(said, landing, found, self.terms.timeout, live=True)
            self.book.take(crossing, seen, GREEN, self.number)

    async def _controls(self, course: _Course, lights: Ways) -> None:
        """Our own beacon and the lighthouse on each way; `lights` fills as they answer."""
        shots = net_plan.controls(course.roster, course.own, course.ways)
        said = self.voice.say(shots, course.own)
        there = {(shot.role, shot.way) for shot in shots}
        for role, gate in _ROLES.items():
            missing = (way for way in course.ways if (role, way) not in there)
            lights |= {(gate, way): Light(up=False, detail=f"there is none to ask by {way.text}") for way in missing}

        def landed(index: int, landing: Landing) -> None:
            shot = shots[index]
            up = _is_meant(voice.who(said[index], landing, course.roster), shot)
            why = "" if up else f"{shot.way.text}: {landing.error or 'no answer that is signed by it'}"
            lights[_ROLES[shot.role], shot.way] = Light(up=up, detail=why)

        for index, landing in enumerate(await self.dial([one.attempt for one in said], self.terms.timeout, landed)):
            landed(index, landing)

    async def _hear(self, course: _Course, over: Roster | None) -> Roster | None:
        """The roster when every live beacon has reported what arrived, or when it is time to end."""
        now, report, before = over, self.terms.report, course.roster
        enough = self.clock.monotonic() + (net_plan.REPORTS_NEEDED + 0.2) * report
        deadline = max(enough, course.start + self.period - 0.3 * report)
        while over is not None and now is not None and self.clock.monotonic() < deadline:
            waiting = [b.uid for b in before.beacons if net_gates.live_light(b.uid, before, now).up]
            if all(net_gates.arrivals_light(uid, before, over, now).up for uid in waiting):
                break
            await asyncio.sleep(report / 3)
            now = await self.fetch() or now
        return now

    def _nobody(self, course: _Course) -> tuple[Ways, Ways]:
        """What the sockets to nobody showed: the first of each pair before, the second after."""
        seen: defaultdict[tuple[Protocol, Family], list[Light]] = defaultdict(list)
        for index, one in enumerate(course.said):
            if one.shot.role is Role.NOBODY:
                landing = course.ended[index]
                what = "is connected" if landing.connected or landing.reply else landing.error
                up = net_reply.is_clear(landing)
                light = Light(up=up, detail="" if up else f"{one.shot.address}, which is nobody's: {what}")
                seen[one.shot.way.protocol, one.shot.way.family].append(light)
        pairs = {(NetGate.PROXIED, way): seen[way.protocol, way.family] for way in course.ways}
        return {key: pair[0] for key, pair in pairs.items()}, {key: pair[1] for key, pair in pairs.items()}

    def _pods(self, course: _Course, now: Roster) -> Pods:
        own = net_gates.own_of(now, self.voice.signer.public)
        lights: Pods = {}
        for beacon in course.roster.beacons:
            lights[NetGate.LIVE, beacon.uid] = net_gates.live_light(beacon.uid, now)
            lights[NetGate.NEUTRAL, beacon.uid] = net_gates.neutral_light(beacon.uid, own, now)
        return lights

    def _pods_after(self, course: _Course, over: Roster | None, heard: Roster | None) -> Pods:
        if over is None or heard is None:
            return {}
        lights, before = self._pods(course, heard), course.roster
        for beacon in before.beacons:
            lights[NetGate.LIVE, beacon.uid] = net_gates.live_light(beacon.uid, before, heard)
            lights[NetGate.ARRIVALS, beacon.uid] = net_gates.arrivals_light(beacon.uid, before, over, heard)
        return lights

    def _roster_after(self, over: Roster | None, heard: Roster | None) -> Light:
        return net_gates.roster_light(heard if over is not None else None, self.voice.signer.public, self.trouble)

    def _judge(self, course: _Course, before: Side, after: Side) -> None:
        tries: defaultdict[Crossing, list[Try]] = defaultdict(list)
        for index, one in enumerate(course.said):
            if one.shot.crossing is not None:
                tries[one.shot.crossing] += self._tries(course, one, course.ended[index], before, after)
        for crossing in course.asked:
            if crossing in tries and crossing not in course.served:
                self.book.take_worst(crossing, tries[crossing], self.number)
            elif crossing not in course.served:
                self._miss(crossing, before, after)
        self._publish_late(course)

    def _tries(self, course: _Course, said: Said, landing: Landing, before: Side, after: Side) -> list[Try]:
        """What one socket says; and that it arrived, where it was not answered."""
        shot = said.shot
        assert shot.crossing is not None, "of questions only"
        beacons = net_plan.beacons_of(course.roster, course.own, shot.crossing.target)
        uids = net_plan.behind(beacons, shot.address, shot.way.path)
        live = all(side.light(NetGate.LIVE, shot.way, uid).up for side in (before, after) for uid in uids)
        # One that came up meanwhile is in the newer roster only.
        found = voice.who(said, landing, self.roster or course.roster) if landing.reply else None
        seen = voice.observe(said, landing, found, self.terms.timeout, live=live)
        attributed = seen.mark is not Mark.UNATTRIBUTED
        tries: list[Try] = [(seen, net_gates.bracket(before, after, shot.way, uids, attributed=attributed))]
        if said.nonce in self._arrived and said.nonce in self._sent:
            tries.append((voice.arrival(said), GREEN))
        return tries

    def _miss(self, crossing: Crossing, before: Side, after: Side) -> None:
        """There was nobody to ask."""
        red = before.roster if not before.roster.up else after.roster
        reason, why = (Reason.LIVE, "it has no beacon there now") if red.up else (Reason.ROSTER, red.detail)
        self.book.unasked(crossing, reason, self.clock.wall(), self.number, why)

    def _publish_late(self, course: _Course) -> None:
        """What arrived of former rounds and is reported now is no less open."""
        horizon, ours = self.clock.wall() - NONCES_KEPT, {one.nonce for one in course.said}
        for nonce in self._arrived & self._sent.keys():
            said = self._sent.pop(nonce)
            if nonce not in ours and said.shot.crossing is not None:
                self.book.take(said.shot.crossing, voice.arrival(said), GREEN, self.number)
        self._arrived.clear()
        self._sent = {nonce: said for nonce, said in self._sent.items() if said.at > horizon}

    def _show(self, course: _Course, before: Side, after: Side) -> None:
        """The gates for those who look: red counts, whichever side it was on."""
        now = self.clock.wall()
        self.book.see(NetGate.ROSTER, before.roster if not before.roster.up else after.roster, now)
        for gate in _OF_WAYS:
            rows = [light for side in (before, after) for (kind, _), light in side.ways.items() if kind is gate]
            self.book.see(gate, _dimmest(rows), now)
        for target in {crossing.target for crossing in course.asked}:
            uids = [beacon.uid for beacon in course.roster.beacons if beacon.target == target]
            for gate in _OF_TARGETS:
                sides = (after,) if gate is NetGate.ARRIVALS else (before, after)
                rows = [side.pods.get((gate, uid), UNSEEN) for side in sides for uid in uids]
                self.book.see(gate, _dimmest(rows), now, target)


def _is_meant(found: Beacon | None, shot: Shot) -> bool:
    """Whether a control was answered by whom it was for. Behind a Service of ours is any pod of ours."""
    if found is None or shot.beacon is None:
        return False
    if shot.role is Role.BEACON and shot.way.path is Path.SERVICE:
        return found.target == shot.beacon.target
    return found.uid == shot.beacon.uid


def _dimmest(rows: Collection[Light]) -> Light:
    """Red if any is, with what they say; nothing seen is red too."""
    if not rows:
        return UNSEEN
    red = list(dict.fromkeys(light.detail for light in rows if not light.up))
    return Light(up=not red, detail="; ".join(red[:3]))
