"""A sentinel without its process: the settings, world, book, rounds and metrics of the real one.

Rounds are run one by one, so that a test knows which round began after it broke something,
and nothing has to be waited for. What only a process has (signals, scheduler, pages) is
tested with processes, in this folder as well.
"""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from sentinel.clients.clock import Clock
from sentinel.core.api.gates import Gate
from sentinel.core.record import Record, Round
from sentinel.core.verdict import State
from sentinel.engine.book import Book
from sentinel.engine.round import RoundRunner
from sentinel.joins.subject import as_subject
from sentinel.joins.world import World, plan_of, unnamed
from sentinel.settings import load
from sentinel.sinks.metrics import Metrics as MetricsSink
from tests.support.controlplane import ControlPlane
from tests.support.sentinels import Metrics, Server

PATIENCE = 20.0
"""Seconds that one round may take here. Its own limit, `every`, is 200 ms, and this machine may be busy."""


class Lookout:
    """One tenant's; `records` are those of the last `rounds` call, `report` its last round.

    subject: the witness's, with this tenant under its eyes; `config` and `account` are the witness's then,
    and `prepare` has to be called for the tokens of the tenant's accounts.
    """

    def __init__(
        self,
        cluster: ControlPlane,
        folder: Path,
        config: str | Mapping[str, Any],
        *,
        namespace: str,
        server: Server | None = None,
        account: str = "sentinel",
        subject: str = "",
    ) -> None:
        self.folder = folder
        self.token_file = folder / "token"
        self.ca_file = folder / "ca.crt"
        (folder / "namespace").write_text(namespace)
        self.ca_file.write_bytes(cluster.ca_file.read_bytes())
        self.write_token(cluster.token_for(namespace, account))
        text = config if isinstance(config, str) else yaml.safe_dump(dict(config))
        (folder / "sentinel.yaml").write_text(text)
        at = server or cluster
        environ = {
            "KUBERNETES_SERVICE_HOST": at.host,
            "KUBERNETES_SERVICE_PORT": str(at.port),
            "SENTINEL_SERVICE_ACCOUNT_DIR": str(folder),
        }
        clock = Clock()
        settings = load(folder / "sentinel.yaml", environ)
        if subject:
            settings = as_subject(settings, next(one for one in settings.tenants if one.name == subject))
        self.world = World(settings, environ, clock)
        self.plan = plan_of(settings)
        self.metrics_sink = MetricsSink()
        self.metrics_sink.expect(self.plan)
        self.book = Book(self.plan, clock.wall(), (self.metrics_sink, self))
        self.world.unnamed = lambda: unnamed(self.book)
        self.clock = clock
        self.runner = RoundRunner(self.world.probe(self.plan), self.book, clock)
        self.records: list[Record] = []
        self.report: Round | None = None
        self._slot = 0

    def put(self, record: Record) -> None:
        self.records.append(record)

    def end_round(self, report: Round) -> None:
        self.report = report

    def write_token(self, token: str) -> None:
        fresh = self.folder / "..token"
        fresh.write_text(token)
        fresh.replace(self.token_file)

    async def prepare(self) -> None:
        """Requests the tokens that are missing."""
        await self.world.prepare()

    async def rounds(self, count: int = 1, patience: float = PATIENCE) -> list[Record]:
        """What these rounds said, and nothing of earlier ones; each has so many seconds for its questions."""
        self.records = []
        for _ in range(count):
            agenda = self.book.agenda(self._slot, self.clock.wall())
            self._slot += 1
            await self.runner.run_agenda(agenda, patience)
        return self.records

    async def until(self, wanted: Callable[["Lookout"], object], most: int, what: str = "") -> list[Record]:
        """Rounds until this is so, and the records of all of them. Who was told to wait is waited for."""
        seen: list[Record] = []
        for _ in range(most):
            seen += await self.rounds()
            if wanted(self):
                return seen
            await asyncio.sleep(max(0.0, self.runner._quiet_until - self.clock.monotonic()))
        raise AssertionError(f"not within {most} rounds: {what or wanted.__name__}\n{self.story()}")

    @property
    def now(self) -> Round:
        assert self.report is not None, "no round was run"
        return self.report

    @property
    def is_ready(self) -> bool:
        """What /readyz says."""
        return not self.now.reasons

    @property
    def all_held(self) -> bool:
        """Everything planned is proven, twice in a row, and nothing is in doubt."""
        proven = all(
            (found := self.book.standings.get(question)) is not None and found.state is State.HELD and found.streak >= 2
            for question in self.plan.questions
        )
        return proven and self.is_ready and not self.now.inconclusive and self.now.coverage == 1.0

    def reasons(self, target: str) -> set[str]:
        """Why something about this target cannot be proven."""
        return {reason.value for reason in self.now.inconclusive.get(target, ())}

    def metrics(self) -> Metrics:
        return Metrics(
            {
                (sample.name, frozenset(sample.labels.items())): sample.value
                for family in self.metrics_sink.registry.collect()
                for sample in family.samples
            }
        )

    def red_gates(self) -> set[tuple[Gate, str, str]]:
        """Gate, identity and target of each that is not green."""
        rows = [row for row in self.now.gates if not row.light.up]
        return {(row.gate, row.identity, row.target) for row in rows if isinstance(row.gate, Gate)}

    def story(self) -> str:
        """The last round, for a failing test."""
        told = [f"reasons {self.now.reasons}", f"inconclusive {dict(self.now.inconclusive)}"]
        told += [f"coverage {self.now.coverage}", f"red {sorted(map(str, self.red_gates()))}"]
        rows = [r for r in self.records if r.verdict.state is not State.HELD][:8]
        told += [
            f"{r.question.identity} {r.question.text} in {r.question.target}: "
            f"{r.observation.answer} {r.observation.detail} -> {r.verdict.state} {r.verdict.reason}"
            for r in rows
        ]
        return "\n".join(told)
