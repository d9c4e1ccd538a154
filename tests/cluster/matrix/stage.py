"""Where the rows are played: a real API server with strange types, and team-a's sentinel in process.

    with Stage(ground) as stage:
        outcome = await stage.play(row)

A row's objects are applied, rounds are run until the breach it must become is there, the objects are
taken away, and rounds are run until every question of it is proven shut. Each in a bounded number of
rounds: the trip-wire is read in each round, the sweep takes five here.
"""

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import yaml

from sentinel.core.record import Record, series_of
from sentinel.core.standing import Turn
from sentinel.core.verdict import Reason, State
from tests import parts
from tests.cluster.ground import MOST_ROUNDS, Ground
from tests.cluster.lookout import Lookout
from tests.cluster.matrix import people, ways
from tests.cluster.matrix.classes import OWN
from tests.cluster.matrix.disturbances import Disturbance
from tests.cluster.matrix.grants import Grant
from tests.cluster.matrix.people import PeopleLookout
from tests.cluster.matrix.ways import Opening
from tests.deploy import chart
from tests.support import manifests
from tests.support.aggregated import AggregatedApi
from tests.support.breaches import question_of
from tests.support.eventually import eventually
from tests.support.manifests import Dict

DETECTED = 8
"""Rounds until a grant must be a breach: one is usual, three have been seen."""
CLOSED = 20
"""Rounds until it must be proven shut: two denials, and two clean reviews."""
INSTALLED = 60.0


@dataclass(frozen=True)
class Outcome:
    """Rounds to the breach, and from the repair to its end."""

    detected: int
    closed: int


class Missed(AssertionError):
    """A grant that did not become its breach, or did not end as one."""


class Misjudged(AssertionError):
    """A disturbance that was taken for a breach, or for proof."""


class Stage:
    """Types installed and a sentinel that has proven everything, while the `with` block lasts."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.cluster = ground.cluster
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            stack.callback(self._put_back, self.ground.objects)
            self.ground.objects = chart.render(values())
            self.ground.install()
            self.cluster.admin.apply(manifests.account(ways.TENANT, ways.FURTHER))
            self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sentinel-matrix-")))
            stack.callback(self.cluster.admin.delete, *self.types)
            self.cluster.admin.apply(*self.types)
            stack.enter_context(AggregatedApi(self.cluster))
            eventually(self._served, INSTALLED, "the strange types are served")
            self.renew()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def _put_back(self, objects: list[chart.Object]) -> None:
        self.ground.objects = objects
        self.ground.install()

    def renew(self) -> None:
        """Sentinels that know nothing yet: what one row did to them must not matter to the next."""
        self._looks = {tenant: self._lookout(tenant) for tenant in ("team-a", "team-b")}
        self._witness, self._people = self._witnessing()
        self.look = self._looks["team-a"]

    def _lookout(self, tenant: str, *, behind_front: bool = False) -> Lookout:
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        config = chart.configuration(self.ground.objects, tenant)
        if behind_front:
            return Lookout(self.cluster, folder, config, namespace=tenant, server=self.ground.front)
        return Lookout(self.cluster, folder, rarely_sweeping(config), namespace=tenant)

    def _witnessing(self) -> tuple[Lookout, Lookout]:
        """The witness, as far as it looks at team-a: at its accounts, and at its people."""
        first, second = (Path(tempfile.mkdtemp(dir=self.folder)) for _ in range(2))
        config = chart.one(self.ground.objects, "ConfigMap", people.ACCOUNT)["data"]["witness.yaml"]
        config = rarely_sweeping(config)
        accounts = Lookout(
            self.cluster, first, config, namespace=chart.RELEASE, account=people.ACCOUNT, subject=ways.TENANT
        )
        return accounts, PeopleLookout(self.cluster, second, config)

    def _seer(self, opening: Opening) -> Lookout:
        """Who must see it. What the anonymous are let into is asked by one sentinel for all."""
        if opening.identity == "self":
            return self._looks["team-a"]
        if opening.identity.startswith("group:"):
            return self._people
        if opening.identity != "anonymous":
            return self._witness
        asked = ((look, question) for look in self._looks.values() for question in look.plan.questions)
        return next(look for look, q in asked if (q.identity, q.target) == (opening.identity, opening.target))

    @property
    def types(self) -> list[Dict]:
        return [*(yaml.safe_load(file.read_text()) for file in chaos_mesh()), widgets()]

    async def play(self, row: Grant) -> Outcome:
        """Open, detect, close, prove. Raises Missed with what was seen instead."""
        opening = row.opening
        self.look = self._seer(opening)
        await self._settle()
        try:
            with self._opened(opening):
                detected = await self._until_detected(row)
            closed = await self._until_closed(row)
        except Missed:
            self.renew()
            raise
        return Outcome(detected, closed)

    async def suffer(self, row: Disturbance) -> None:
        """Break, look, mend, prove. Raises Misjudged with what was held or called a breach."""

        def is_whole(seen: Lookout) -> bool:
            return seen.all_held and row.whole(seen)

        look = self.ground.look = self._lookout("team-a", behind_front=True)
        if not row.new:
            await look.until(is_whole, MOST_ROUNDS, "all held before the break")
        with row.around(self.ground):
            records = await look.rounds(row.late, row.patience)
            if row.sign is not None:
                records += await look.until(row.sign, MOST_ROUNDS, f"{row.name} is felt")
            during = await look.rounds(row.rounds, row.patience)
        after = await look.until(is_whole, MOST_ROUNDS, f"all held after {row.name}")
        breaches = [r for r in (*records, *during, *after) if r.verdict.state is State.BREACHED]
        held = [r for r in during if r.verdict.state is State.HELD and row.blinds(question_of(r))]
        if breaches or held or look.metrics().sum("sentinel_breaches_total"):
            told = sorted({f"{r.verdict.state.value}: {_told(r)}: {r.observation.detail}" for r in (*breaches, *held)})
            raise Misjudged(f"{row.name}: {told[:12]}")

    async def _settle(self) -> None:
        """Until everything is proven. A token that was asked for in vain is asked for again."""
        for _ in range(MOST_ROUNDS):
            await self.look.prepare()
            await self.look.rounds()
            if self.look.all_held:
                return
        raise AssertionError(f"not all held before the row\n{self.look.story()}")

    @contextlib.contextmanager
    def _opened(self, opening: Opening) -> Iterator[None]:
        try:
            self.cluster.admin.apply(*opening.objects)
            yield
        finally:
            self.cluster.admin.delete(*reversed(opening.objects))

    async def _until_detected(self, row: Grant) -> int:
        records: list[Record] = []
        for number in range(1, DETECTED + 1):
            records += await self.look.rounds()
            if found := [record for record in records if is_of(row, record)]:
                self._must_be_told_well(row, found[0], records)
                return number
        seen = sorted({_told(record) for record in records if record.verdict.state is State.BREACHED})
        raise Missed(f"{row.name}: no breach within {DETECTED} rounds; seen: {seen}\n{self.look.story()}")

    def _must_be_told_well(self, row: Grant, found: Record, records: list[Record]) -> None:
        opening = row.opening
        breach = found.standing.breach
        assert breach is not None
        since = self.look.metrics().value(
            "sentinel_breach_since_timestamp_seconds",
            check=row.asked.check,
            identity=opening.identity,
            target=opening.target,
        )
        # Nobody tells those without an account why they are let in.
        cause = opening.cause if opening.identity != "anonymous" else ""
        elsewhere = {
            (series.identity, series.target)
            for record in records
            if record.verdict.state is State.BREACHED and not record.subsumed
            for series in [series_of(record.question)]
        } - {(opening.identity, opening.target)}
        told = {
            "check": (found.question.check, row.asked.check),
            "series": (since > 0, True),
            "cause": (cause in breach.cause, True),
            "elsewhere": (elsewhere, set()),
        }
        wrong = {what: seen for what, (seen, wanted) in told.items() if seen != wanted}
        if wrong:
            raise Missed(f"{row.name}: a breach, but {wrong}; {_told(found)}; cause {breach.cause!r}, not {cause!r}")

    async def _until_closed(self, row: Grant) -> int:
        """Every breach of the row ends, each after two denials that count; its series says 0."""
        records: list[Record] = []
        for number in range(1, CLOSED + 1):
            records += await self.look.rounds()
            if self.look.all_held and not self._open() and self._says_zero(row):
                self._must_be_proven(row, records)
                return number
        left = sorted(f"{change.question.text} in {change.question.target}" for change in self._open())
        raise Missed(f"{row.name}: not closed within {CLOSED} rounds: {left}\n{self.look.story()}")

    def _must_be_proven(self, row: Grant, records: list[Record]) -> None:
        for record in records:
            if record.change is None or record.change.turn is not Turn.CLOSED:
                continue
            proofs = [
                other
                for other in records
                if other.question == record.question
                and other.verdict.state is State.HELD
                and other.verdict.reason is Reason.DENIED
            ]
            if len(proofs) < 2:
                raise Missed(f"{row.name}: {record.question.text} was closed after {len(proofs)} denials")

    def _says_zero(self, row: Grant) -> bool:
        opening = row.opening
        labels = {"check": row.asked.check, "identity": opening.identity, "target": opening.target}
        return self.look.metrics().value("sentinel_breach_since_timestamp_seconds", **labels) == 0

    def _open(self) -> list[Record]:
        rows = self.look.book.standings.items()
        return [
            Record(question, None, standing.verdict, standing)  # type: ignore[arg-type]  # only to be told
            for question, standing in rows
            if standing.breach is not None
        ]

    def _served(self) -> bool:
        groups = {found["name"] for found in self.cluster.admin.must("GET", "/apis")["groups"]}
        return {OWN, "chaos-mesh.org"} <= groups


def values() -> chart.Object:
    """Two tenants; rounds of 200 ms, in which the tiers come round within five."""
    of_a = {"accounts": ["default", ways.FURTHER], "groups": [ways.PEOPLE]}
    tenants = [{"name": name, "namespaces": [name]} for name in ("team-a", "team-b")]
    config = {"isolation": {"within": "50s", "sweep": "50s", "qps": 5000}}
    more = {"timeScale": 0.02, "config": config, "monitor": {"enabled": False}, "witness": {"enabled": True}}
    return chart.values() | more | {"tenants": [tenants[0] | of_a, tenants[1]]}


def rarely_sweeping(config: str) -> str:
    """The same with a sweep so long that what it would find is found by the trip-wire, or missed.

    An answer may take longer than rounds of 200 ms would allow: rounds are run by hand here.
    """
    content = yaml.safe_load(config)
    content["isolation"] |= {"every": "1s", "timeout": "900ms", "within": "3s", "sweep": "1000s", "qps": 20_000}
    return yaml.safe_dump(content)


def is_of(row: Grant, record: Record) -> bool:
    """Whether this record is the breach that the row must become."""
    asked, opening, question = row.asked, row.opening, question_of(record)
    key = question.verb, question.resource.label, question.subresource
    where = question.identity, question.target
    return (
        record.verdict.state is State.BREACHED
        and not record.subsumed
        and key == asked.key
        and where == (opening.identity, opening.target)
        and opening.name in ("", question.name)
    )


def chaos_mesh() -> tuple[Path, ...]:
    """The small ones: the large ones take the API server seconds."""
    return tuple(parts.find(f"chaos-mesh.org_{plural}.yaml") for plural in ("networkchaos", "podchaos"))


def widgets() -> Dict:
    """A custom resource of our own."""
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"widgets.{OWN}"},
        "spec": {
            "group": OWN,
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"},
            "scope": "Namespaced",
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }


def _told(record: Record) -> str:
    question = record.question
    told = f"{question.identity} {question.text} in {question.target} ({question.check})"
    return told + (" subsumed" if record.subsumed else "")
