"""A drill as it is written: one YAML file, `kind: Drill`, read as strictly as the configuration.

What the file says alone is judged here; whether its gateway exists, and how long that one needs, is
known only beside the configuration (`sentinel.tools.drilling`).
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import BeforeValidator, Field, WithJsonSchema

from sentinel.core.drill.fault import Fault, Place, Variant
from sentinel.core.drill.progress import By
from sentinel.core.drill.result import Intensity
from sentinel.errors import ConfigError, Problem
from sentinel.settings import translate
from sentinel.settings.duration import Duration
from sentinel.settings.load import tree_of
from sentinel.settings.section import Section
from sentinel.settings.tree import Tree
from sentinel.settings.words import FilePath, Flag, HttpUrl, Name, Text, count, one_of

Injector = Literal["provider", "toxiproxy"]
"""Who breaks it: `provider` is `sentinel drill proxy`, `toxiproxy` one that is there already."""

_OF_TCP = (Variant.KILL, Variant.TIMEOUT, Variant.SLOW, Variant.TRUNCATED)


def _whole(least: int, most: int) -> tuple[BeforeValidator, WithJsonSchema]:
    return count(least, most), WithJsonSchema({"type": "integer", "minimum": least, "maximum": most})


_STATUS, _STATUS_SCHEMA = _whole(500, 599)
_RATE, _RATE_SCHEMA = _whole(1, 1_000_000)
_BYTES, _BYTES_SCHEMA = _whole(0, 1_000_000)
_COUNT, _COUNT_SCHEMA = _whole(0, 1_000_000)


class TokenPath(Section):
    """What the control address asks for, in a file."""

    file: FilePath
    """Read when it is needed; the token itself never stands in a drill or a receipt."""


class Plain(Section):
    """A variant that has no parameters: `{}`."""

    def fault(self, variant: Variant) -> Fault:
        """The same for the injectors."""
        return Fault(variant)


class Failing(Section):
    """`5xx`."""

    status: Annotated[int, _STATUS, _STATUS_SCHEMA] = 503
    """What an overloaded provider says."""

    def fault(self, variant: Variant) -> Fault:
        """The same for the injectors."""
        return Fault(variant, status=self.status)


class Limited(Section):
    """`429`."""

    retry_after: Duration = timedelta(seconds=7)
    """Gateways that obey it pay it on each of their tries."""

    def fault(self, variant: Variant) -> Fault:
        """The same for the injectors."""
        return Fault(variant, retry_after=self.retry_after.total_seconds())


class Slow(Section):
    """`slow`."""

    latency: Duration = timedelta(seconds=10)
    """Before the answer begins: longer than a user waits for a first token."""

    rate: Annotated[int, _RATE, _RATE_SCHEMA] | None = None
    """Kilobytes a second once it has begun; `None`: as fast as it comes."""

    def fault(self, variant: Variant) -> Fault:
        """The same for the injectors."""
        return Fault(variant, latency=self.latency.total_seconds(), kilobytes_per_second=self.rate)


class Truncated(Section):
    """`truncated`."""

    after: Annotated[int, _BYTES, _BYTES_SCHEMA] = 600
    """Bytes of the answer that get through (of Toxiproxy: with its headers): a few tokens of a stream."""

    def fault(self, variant: Variant) -> Fault:
        """The same for the injectors."""
        return Fault(variant, after_bytes=self.after)


def _written(value: object) -> object:
    """A key with nothing behind it is there all the same."""
    return {} if value is None else value


_WRITTEN = BeforeValidator(_written)


class Variants(Section):
    """What this drill can do to the provider; those that are left out it cannot."""

    kill: Annotated[Plain | None, _WRITTEN] = None
    """Its connections break at once."""

    failing: Annotated[Failing | None, _WRITTEN] = Field(default=None, alias="5xx")
    """It answers with an error."""

    limited: Annotated[Limited | None, _WRITTEN] = Field(default=None, alias="429")
    """It says that it is asked too much."""

    timeout: Annotated[Plain | None, _WRITTEN] = None
    """It takes the request, and nothing more comes."""

    slow: Annotated[Slow | None, _WRITTEN] = None
    """It answers late."""

    truncated: Annotated[Truncated | None, _WRITTEN] = None
    """Its answer breaks off."""

    def faults(self) -> dict[Variant, Fault]:
        """Each that is written, the first one first."""
        sections = {
            Variant.KILL: self.kill,
            Variant.ERROR: self.failing,
            Variant.LIMITED: self.limited,
            Variant.TIMEOUT: self.timeout,
            Variant.SLOW: self.slow,
            Variant.TRUNCATED: self.truncated,
        }
        return {variant: part.fault(variant) for variant, part in sections.items() if part is not None}


class Wound(Section):
    """What is broken, and where."""

    injector: Annotated[Injector, BeforeValidator(one_of(*get_args(Injector)))] = "provider"
    """The one that can do all six, and whose faults end by themselves."""

    at: HttpUrl = "http://127.0.0.1:7464"
    """Its control address; the default is that of `sentinel drill proxy`."""

    target: Name | None = None
    """Of Toxiproxy: the name of the proxy between the gateway and the provider."""

    token: TokenPath | None = None
    """`None`: the control address asks for none, and so must listen on loopback."""

    variants: Variants
    """What it can do."""

    @property
    def place(self) -> Place:
        """Where the fault is put."""
        token = str(self.token.file) if self.token is not None else ""
        return Place(self.injector, self.at, self.target or "", token)


class Abort(Section):
    """When it is ended before its time, and healed."""

    unanswered: Duration | None = None
    """Nobody was answered for longer than this; `None`: until `duration` is over."""

    ungraceful: Annotated[int, _COUNT, _COUNT_SCHEMA] | None = None
    """More answers than this that nobody should be shown."""


class Limits(Section):
    """What it may cost."""

    duration: Duration = timedelta(seconds=60)
    """The longest that the fault stands; longer than the promise, or its breach cannot be proven."""

    gate: Duration = timedelta(seconds=30)
    """The longest that is waited for three good answers of the primary, before anything is broken."""

    abort: Abort = Abort()
    """When it ends early."""


class Expect(Section):
    """What is to be seen."""

    by: Annotated[Literal["another", "graceful"], BeforeValidator(one_of(*By))] = "another"
    """`another` provider answers in time; or nobody need, as long as every answer is `graceful`."""

    within: Duration | None = None
    """`None`: as the gateway's `failover.within` promises."""

    graceful: Flag = True
    """One error that nobody should be shown fails the drill."""

    failback: Duration | None = timedelta(seconds=60)
    """The primary answers again within this after the undo; `None`: it is not waited for."""


class Drill(Section):
    """One planned wound, and what is expected of it."""

    kind: Annotated[Literal["Drill"], BeforeValidator(one_of("Drill"))]
    """So that no other file is run by mistake."""

    name: Name
    """As `sentinel drill run` takes it, and the receipt has it."""

    hypothesis: Text
    """What is believed, in a sentence."""

    environment: Name | None = None
    """Where it is run, for the labels of its figures; `None`: the configuration's `cluster`."""

    intensity: Annotated[Literal["light", "medium", "heavy"], BeforeValidator(one_of(*Intensity))] = "light"
    """How hard it hits, in your own judgement: a label of its figures, and nothing else."""

    gateway: Name
    """One of `gateways` of the configuration: asked as the monitor asks it."""

    fault: Wound
    """What is broken."""

    limits: Limits = Limits()
    """What it may cost."""

    expect: Expect = Expect()
    """What is to be seen."""


def load(path: Path) -> Drill:
    """Read a drill; raises `ConfigError` with every problem, and nothing else."""
    found = tree_of(path, "kind: Drill")
    if found.value is None:
        raise ConfigError(found.problems)
    errors = translate.errors_in(found.value, Drill)
    said = [translate.problem(error, found, Drill) for error in errors if not found.is_broken(translate.path_of(error))]
    if problems := [*found.problems, *said]:
        raise ConfigError(sorted(problems, key=lambda problem: problem.line))
    drill = Drill.model_validate(found.value)
    if problems := [*_faults(drill, found)]:
        raise ConfigError(problems)
    return drill


def _faults(drill: Drill, tree: Tree) -> list[Problem]:
    """What the keys say together."""
    wound, faults = drill.fault, drill.fault.variants.faults()
    problems = []
    if not faults:
        problems.append(tree.problem(("fault", "variants"), f"at least one of {', '.join(Variant)}"))
    if wound.injector == "toxiproxy":
        if wound.target is None:
            problems.append(tree.problem(("fault", "target"), "the name of a proxy of this Toxiproxy"))
        hint = "a proxy of TCP speaks no HTTP; the injector `provider` does"
        problems += [
            tree.problem(("fault", "variants", variant.value), f"one of {', '.join(_OF_TCP)}", hint, "this variant")
            for variant in faults
            if variant not in _OF_TCP
        ]
    return problems
