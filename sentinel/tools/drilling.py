"""Joins a drill with the configuration, an injector and the gateway's own driver: what `sentinel drill` does.

    drill file + configuration -> Prepared -> plan | run -> Result
    receipt -> undo

The gateway is asked by the monitor's own engine, at its fastest pace, and by nothing else.
"""

import asyncio
import contextlib
import json
import secrets
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import sentinel
from sentinel import injectors
from sentinel.clients.clock import Clock
from sentinel.clients.completions import Completions, trust
from sentinel.clients.control import Control
from sentinel.clients.receipts import Receipts, read
from sentinel.clients.tokens import FileToken
from sentinel.clients.upstream import Upstream
from sentinel.core.drill import figures
from sentinel.core.drill.fault import Fault, Place, Receipt, Variant
from sentinel.core.drill.progress import By, Progress, Terms
from sentinel.core.drill.result import Intensity, Result, Setting
from sentinel.core.drill.ruling import broken, rule
from sentinel.core.gateway.outcome import Point
from sentinel.engine import drill as driven
from sentinel.engine import tasks
from sentinel.engine.disturbance import Disturbances
from sentinel.engine.drill import DrillRun
from sentinel.engine.gateway import Driver, Plan
from sentinel.errors import ConfigError, OwnFault, Problem
from sentinel.joins import gateways
from sentinel.reports.drill import Planned
from sentinel.settings import Address, Gateway, Settings
from sentinel.settings import drill as written
from sentinel.tools.telling import Telling, Where
from sentinel.web.fault_proxy import FaultProxy, serve

GRACE = 30.0
"""Seconds after the drill's own time for which the injector still keeps the fault: the undo comes first."""


@dataclass(frozen=True)
class Prepared:
    """A drill that can be run: all that may be wrong with its words was looked for."""

    drill: written.Drill
    gateway: Gateway
    settings: Settings
    fault: Fault
    terms: Terms

    @property
    def seconds(self) -> float:
        """After which the wound ends by itself."""
        return self.terms.duration + GRACE

    @property
    def every(self) -> float:
        """Seconds between two questions: the fastest that the monitor itself ever asks."""
        return min(self.gateway.baseline, self.gateway.burst).total_seconds()


def library(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """The folders that a drill's name is looked for in: your own, then what ships."""
    own = Path(environ.get("SENTINEL_DRILLS") or "/etc/sentinel/drills")
    package = Path(sentinel.__file__).parent
    # In a wheel they lie in the package; in a checkout beside it.
    return (own, package / "drills", package.parent / "config" / "drills")


def usual_receipts(environ: Mapping[str, str]) -> Path:
    """The folder for receipts where none is named: the user's state, or the machine's where there is no home."""
    home = environ.get("HOME")
    state = environ.get("XDG_STATE_HOME") or (f"{home}/.local/state" if home else "/var/lib")
    return Path(state) / "tenant-sentinel" / "drills"


def listed(environ: Mapping[str, str]) -> dict[Path, written.Drill]:
    """Every drill there is, by its file. Raises ConfigError for the first that cannot be read."""
    found: dict[Path, written.Drill] = {}
    for folder in library(environ):
        for path in sorted(folder.glob("*.yaml")) if folder.is_dir() else ():
            if path.name not in {known.name for known in found}:
                found[path] = written.load(path)
    return found


def find(what: str, environ: Mapping[str, str]) -> Path:
    """The file of this name, or this file. Raises ConfigError."""
    if "/" in what or what.endswith(".yaml"):
        return Path(what)
    for folder in library(environ):
        if (path := folder / f"{what}.yaml").is_file():
            return path
    folders = ", ".join(map(str, library(environ)))
    raise ConfigError([Problem(what, 0, "", "no drill of this name", f"a file, or NAME.yaml in one of {folders}")])


def prepare(path: Path, settings: Settings, variant: str = "") -> Prepared:
    """The drill of this file beside this configuration. Raises ConfigError with every problem."""
    drill = written.load(path)
    problems = []
    faults = drill.fault.variants.faults()
    if variant and variant not in faults:
        problems.append(Problem("--variant", 0, "", variant, f"one of {', '.join(faults)}"))
    gateway = next((row for row in settings.gateways if row.name == drill.gateway), None)
    if gateway is None:
        names = ", ".join(row.name for row in settings.gateways) or "a gateway, and none is configured"
        problems.append(Problem(str(path), 0, "gateway", drill.gateway, f"one of the configuration's: {names}"))
    if problems or gateway is None:
        raise ConfigError(problems)
    terms = terms_of(drill, gateway)
    longest = terms.within + gateway.patience.total.total_seconds()
    if terms.by is By.ANOTHER and terms.duration < longest:
        hint = f"the promise of {terms.within:g} s and the patience of one question: else its breach cannot be proven"
        raise ConfigError(
            [Problem(str(path), 0, "limits.duration", f"{terms.duration:g} s", f"{longest:g} s at least", hint)]
        )
    return Prepared(
        drill, gateway, settings, faults[Variant(variant)] if variant else next(iter(faults.values())), terms
    )


def terms_of(drill: written.Drill, gateway: Gateway) -> Terms:
    """What the drill may do and expects, in seconds."""
    limits, expect = drill.limits, drill.expect
    unanswered = limits.abort.unanswered
    return Terms(
        primary=gateway.first,
        within=(expect.within or gateway.failover.within).total_seconds(),
        duration=limits.duration.total_seconds(),
        gate=limits.gate.total_seconds(),
        by=By(expect.by),
        graceful=expect.graceful,
        point=Point(gateway.point),
        failback=None if expect.failback is None else expect.failback.total_seconds(),
        most_unanswered=None if unanswered is None else unanswered.total_seconds(),
        most_ungraceful=limits.abort.ungraceful,
    )


def setting_of(prepared: Prepared) -> Setting:
    """Where it is run, and how hard it hits."""
    drill = prepared.drill
    return Setting(drill.environment or prepared.settings.cluster, Intensity(drill.intensity))


def plan(prepared: Prepared, receipts: Path) -> Planned:
    """What `run` would do; nothing is touched, and nobody is asked."""
    drill, place = prepared.drill, prepared.drill.fault.place
    steps = injectors.injector(place, _control(place)).plan(prepared.fault)
    return Planned(
        drill=drill.name,
        hypothesis=drill.hypothesis,
        gateway=drill.gateway,
        place=place,
        variant=prepared.fault.variant,
        steps=steps,
        terms=prepared.terms,
        every=prepared.every,
        receipts=str(receipts),
    )


async def run(
    prepared: Prepared,
    folder: Path,
    turned: Callable[[Progress], None],
    over: Callable[[Result], None] = lambda _: None,
    where: Where = Where(),  # noqa: B008  # a frozen value
) -> Result:
    """Run it to its end; SIGINT and SIGTERM end it early, healed. Raises OwnFault when nothing could be begun.

    `over`: told the result before its numbers are kept up for a while.
    """
    receipts, clock = Receipts(folder), Clock()
    telling = Telling(prepared.drill.name, prepared.fault.variant, receipts, where, clock)
    async with telling.listening():
        result = await _run(prepared, receipts, clock, telling, turned)
        telling.end(result, prepared.settings.journal)
        over(result)
        enough = asyncio.Event()
        with _signals(lambda _: enough.set()):
            await telling.linger(enough)
    return result


async def _run(
    prepared: Prepared, receipts: Receipts, clock: Clock, telling: Telling, turned: Callable[[Progress], None]
) -> Result:
    place, setting = prepared.drill.fault.place, setting_of(prepared)

    def told(progress: Progress) -> None:
        telling.turned(progress)
        turned(progress)

    with receipts.held():
        telling.begin(setting)
        if standing := receipts.standing():
            raise OwnFault(f"an earlier drill may not be healed; first: sentinel drill undo {standing[0]}")
        async with Control(place.at, _token(place)) as control:
            made = DrillRun(
                terms=prepared.terms,
                receipt=_receipt(prepared, clock),
                injector=injectors.injector(place, control),
                receipts=telling,
                clock=clock,
                turned=told,
                heard=telling.heard,
            )
            wall = clock.wall() - clock.monotonic()
            progress = await _driven(prepared, made, clock)
    return Result(
        receipt=made.receipt,
        receipt_file="" if made.file is None else str(made.file),
        hypothesis=prepared.drill.hypothesis,
        terms=prepared.terms,
        progress=progress,
        ruling=rule(prepared.terms, progress),
        wall=wall,
        measured=figures.measure(telling.seen, progress),
        broken=broken(prepared.terms, progress),
        setting=setting,
    )


async def undo(
    path: Path,
    where: Where = Where(),  # noqa: B008  # a frozen value
    healed: Callable[[], None] = lambda: None,
) -> str:
    """Heal what this receipt says; gives why it could not be proved, empty when it was. Raises OwnFault.

    `healed`: told once it is, before its numbers are kept up for a while.
    """
    receipt = read(path)
    if receipt.place.injector not in injectors.INJECTORS:
        raise OwnFault(f"{path}: no injector is called {receipt.place.injector}")
    async with Control(receipt.place.at, _token(receipt.place)) as control:
        why = await driven.heal(injectors.injector(receipt.place, control), receipt)
    if not why:
        telling = Telling(receipt.drill, receipt.fault.variant, Receipts(path.parent), where, Clock())
        telling.heal(path)
        healed()
        await telling.keep_up()
    return why


async def proxy(
    upstream: str,
    listen: Address,
    control: Address,
    *,
    token: Path | None,
    ca: Path | None,
    told: Callable[[str], None],
) -> None:
    """Stand between a gateway and a provider until SIGINT or SIGTERM. Raises OwnFault when nobody can listen there."""
    clock = Clock()
    over = asyncio.Event()
    async with Upstream(upstream, ca) as way:
        made = FaultProxy(way, clock, None if token is None else FileToken(token))
        async with serve(made, listen, control) as addresses:
            told(json.dumps(dict(zip(("listen", "control"), map(str, addresses), strict=True))))
            with _signals(lambda _: over.set()):
                await over.wait()


async def _driven(prepared: Prepared, made: DrillRun, clock: Clock) -> Progress:
    asker = replace(gateways.asker_of(prepared.settings), fast=True)
    async with contextlib.AsyncExitStack() as stack:
        session = Completions(trust(prepared.gateway.ca), clock)
        ways = dict.fromkeys((None, prepared.gateway.ca), gateways.Way(session))
        plan = _plan(prepared, gateways.plan_of(prepared.gateway, asker, ways, clock))
        disturbances = Disturbances(clock)
        driver = Driver(plan, clock, asker.nonce, made, disturbances)
        start = await stack.enter_async_context(tasks.running())
        start("our own disturbances", disturbances.watch)
        start(f"gateway {plan.name}", driver.run)
        stack.enter_context(_signals(made.stop))
        return await made.run(driver.stand)


def _plan(prepared: Prepared, plan: Plan) -> Plan:
    """As the witness asks while something is wrong; the providers themselves are none of a drill's business."""
    return replace(plan, every=prepared.every, offset=0.0, within=prepared.terms.within, direct=())


@contextlib.contextmanager
def _signals(heard: Callable[[str], None]) -> Iterator[None]:
    """SIGINT and SIGTERM are told by name, and end nothing by themselves."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, heard, number.name)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def _receipt(prepared: Prepared, clock: Clock) -> Receipt:
    return Receipt(
        run=secrets.token_hex(4),
        drill=prepared.drill.name,
        gateway=prepared.gateway.name,
        place=prepared.drill.fault.place,
        fault=prepared.fault,
        seconds=prepared.seconds,
        written=clock.wall(),
    )


def _control(place: Place) -> Control:
    return Control(place.at, _token(place))


def _token(place: Place) -> FileToken | None:
    return FileToken(Path(place.token_file)) if place.token_file else None
