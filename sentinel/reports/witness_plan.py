"""What `sentinel check` says of a witness's file: what it asks about each tenant, how often, at what cost."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from sentinel.core.api.plan import AUDIT_BYTES, Plan


@dataclass(frozen=True, slots=True)
class Row:
    """One lane: a tenant's accounts, or its people. Periods in seconds, as stretched."""

    name: str
    identities: int
    questions: int
    every: float
    within: float
    sweep: float
    requests_per_second: float
    page_seconds: float


@dataclass(frozen=True, slots=True)
class WitnessPlan:
    """All lanes, and what they cost together. Seconds, requests per second, 10^9 bytes."""

    rows: tuple[Row, ...]
    qps: float
    requests_per_second: float
    audit_gb_per_day: float
    page_seconds: float
    promise_seconds: float
    alone: bool  # nobody else asks across tenants (`disclosure: opaque`), so the promise is the witness's

    @property
    def kept(self) -> bool:
        """Whether the promise is kept, as far as it depends on the witness."""
        return not self.alone or self.page_seconds <= self.promise_seconds

    def as_json(self) -> dict[str, object]:
        """The same, for programs."""
        return {**asdict(self), "kept": self.kept}


def witness_plan(plans: Mapping[str, Plan], promise: float, *, alone: bool) -> WitnessPlan:
    """The figures of these lanes' plans. `promise` in seconds."""
    rows = tuple(_row(name, plan) for name, plan in plans.items())
    rate = sum(row.requests_per_second for row in rows)
    scope = next(iter(plans.values())).scope
    return WitnessPlan(
        rows=rows,
        qps=scope.qps,
        requests_per_second=rate,
        audit_gb_per_day=rate * AUDIT_BYTES * 86_400 / 1e9,
        page_seconds=max(row.page_seconds for row in rows),
        promise_seconds=promise,
        alone=alone,
    )


def text(seen: WitnessPlan) -> str:
    """For people."""
    head = f"{'lane':<32} {'as':>3} {'questions':>9} {'round':>8} {'within':>8} {'sweep':>8} {'req/s':>7}"
    rows = [
        f"{row.name:<32} {row.identities:>3} {row.questions:>9} {row.every:>6.0f} s {row.within:>6.0f} s"
        f" {row.sweep / 60:>4.0f} min {row.requests_per_second:>7.2f}"
        for row in seen.rows
    ]
    told = [
        "",
        f"witness           {seen.requests_per_second:.1f} requests/s of the cluster's {seen.qps:g}",
        f"audit log         {seen.audit_gb_per_day:.1f} GB a day",
        f"without the watch {seen.page_seconds / 60:.1f} min from hole to page at worst",
    ]
    if not seen.kept:
        told += ["", "the promise is not kept: nobody else asks across tenants; raise isolation.witness_share or qps"]
    return "\n".join([head, *rows, *told]) + "\n"


def _row(name: str, plan: Plan) -> Row:
    identities = len(plan.scope.accounts) + len(plan.scope.anonymous)
    counts = (identities, len(plan.questions), plan.every, plan.within, plan.sweep)
    return Row(name, *counts, plan.rate, plan.worst_page)
