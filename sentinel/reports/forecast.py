"""What `sentinel check` says: what would be asked, how often, what it costs, and how soon it pages."""

from dataclasses import asdict, dataclass

from sentinel.core.api.allowed import Allowance
from sentinel.core.api.plan import Plan, enough_qps
from sentinel.core.api.question import CLUSTER


@dataclass(frozen=True, slots=True)
class Tier:
    """One tier of the plan: its questions, its period as wished and as stretched, seconds."""

    tier: int
    questions: int
    wished: float
    period: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """The plan in figures. Seconds, requests per second of the cluster, 10^9 bytes."""

    tenant: str
    tenants: int
    targets: int
    questions: int
    tiers: tuple[Tier, ...]
    requests_per_second: float
    audit_gb_per_day: float
    audit_events_per_day: int
    page_seconds: float
    page_seconds_sweep_only: float
    promise_seconds: float
    kept: bool
    qps: float
    enough_qps: float | None

    def as_json(self) -> dict[str, object]:
        """The same, for programs."""
        return asdict(self)


def forecast(plan: Plan, promise: float) -> Forecast:
    """The figures of a plan; `promise` is seconds from the opening of a hole to the page."""
    scope = plan.scope
    kept = plan.worst_page <= promise
    wished = (scope.every, scope.within, scope.sweep)
    counts = (len(plan.tier1), sum(map(len, plan.tier2)), sum(map(len, plan.tier3)))
    rows = zip((1, 2, 3), counts, wished, strict=True)
    return Forecast(
        tenant=scope.tenant,
        tenants=len(scope.tenants),
        targets=len(scope.targets),
        questions=len(plan.questions),
        tiers=tuple(Tier(tier, count, wish, plan.period(tier)) for tier, count, wish in rows),
        requests_per_second=plan.cluster_rate,
        audit_gb_per_day=plan.audit_gb_per_day,
        audit_events_per_day=round(plan.cluster_rate * 86_400),
        page_seconds=plan.worst_page,
        page_seconds_sweep_only=plan.worst_page_sweep,
        promise_seconds=promise,
        kept=kept,
        qps=scope.qps,
        enough_qps=None if kept else enough_qps(plan, promise),
    )


def text(seen: Forecast) -> str:
    """For people."""
    lines = [
        f"tenant {seen.tenant}: {seen.questions} questions about {seen.targets} namespaces"
        f" and the cluster scope; {seen.tenants} tenants",
        "",
        "tier  questions  period",
        *(f"{row.tier:>4}  {row.questions:>9}  {_period(row)}" for row in seen.tiers),
        "",
        f"cluster-wide      {seen.requests_per_second:.1f} requests/s of {seen.qps:g} allowed",
        f"audit log         {seen.audit_gb_per_day:.1f} GB and {seen.audit_events_per_day:,} events a day",
        f"hole to page      {_duration(seen.page_seconds)} at worst, {_duration(seen.promise_seconds)} promised",
        f"found by sweep    {_duration(seen.page_seconds_sweep_only)} at worst (grants that no rules review lists)",
    ]
    return "\n".join([*lines, *_advice(seen)]) + "\n"


def questions(plan: Plan) -> str:
    """Every question, one to a line: tier, identity, target, question."""
    tiers = ((1, plan.tier1), *((t, q) for t, b in ((2, plan.tier2), (3, plan.tier3)) for q in b))
    rows = [
        f"{tier}  {question.identity:<12} {question.target:<24} {question.text}"
        for tier, batch in tiers
        for question in batch
    ]
    return "\n".join(rows) + "\n"


def roles(plan: Plan, namespace: str, release: str) -> str:
    """What the Roles must grant for the controls to be green."""
    scope = plan.scope
    accounts = ", ".join(scope.accounts)
    doors = ", ".join(target for target in scope.everywhere if target != CLUSTER)
    return (
        f"controls need, for {accounts}:\n"
        f"  get secrets/sentinel-beacon, configmaps/sentinel-beacon in {namespace}\n"
        f"  get secrets/sentinel-decoy in {release} (and nobody: secrets/sentinel-decoy-closed)\n"
        f"  get namespaces/<itself> in each of: {doors}\n"
    )


def exceptions(plan: Plan, now: float) -> str:
    """What is wanted, each with its end; `now` in wall seconds. Of a distribution's all in one line."""
    known = plan.scope.exceptions
    rows = [row for row in known.ours if not row.builtin]
    lines = [f"  {row.name}: {row.what}: {row.text}{_ended(row, now)}" for row in rows]
    given = [row for row in known.ours if row.builtin]
    if given:
        what = "; ".join(row.what for row in given)
        lines.append(f"  {given[0].owner} grants to every account: {what}")
    return "\n".join(["wanted grants, judged as held:", *lines]) + "\n" if lines else ""


def _ended(row: Allowance, now: float) -> str:
    return "" if row.holds_at(now) else " (RAN OUT: a breach again)"


def _advice(seen: Forecast) -> list[str]:
    if seen.kept:
        return []
    if seen.enough_qps is None:
        return ["", "the promise is not kept, whatever the budget: shorten isolation.within"]
    return ["", f"the promise is not kept: isolation.qps: {seen.enough_qps:g} would do"]


def _period(row: Tier) -> str:
    stretched = row.period > row.wished * 1.001
    more = f" (stretched from {_duration(row.wished)})" if stretched else ""
    return f"{_duration(row.period)}{more}"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:g} s" if seconds < 1 else f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3600:.1f} h"
