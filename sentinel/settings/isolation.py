"""How often the forbidden reads are tried, how long an answer may take, and what they may cost."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from sentinel.settings.duration import Duration
from sentinel.settings.section import Section, wrong
from sentinel.settings.words import DNS_LABEL, DNS_SUBDOMAIN, ONE_LINE, Name, Namespace, Rate, Share, matching, one_of

EVERYBODY = "*"
"""`from: "*"`: whoever asks."""

CLUSTER = "*"
"""`to: "*"`: the cluster scope, the same star as in the label `target`."""

VERBS = (
    *("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"),
    *("bind", "escalate", "impersonate", "approve", "sign", "attest", "use", "*"),
)
"""The verbs that RBAC and the API server's own admission know, and `*`."""


def _date(value: object) -> date:
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        raise wrong("a date such as 2027-01-31") from None


Day = Annotated[
    date,
    BeforeValidator(_date),
    PlainSerializer(date.isoformat, return_type=str),
    WithJsonSchema({"type": "string", "format": "date"}),
]
"""A day, in UTC."""

Resource = Annotated[
    str,
    BeforeValidator(
        matching(
            rf"\*|{DNS_LABEL}(\.{DNS_SUBDOMAIN})?(/(\*|{DNS_LABEL}))?",
            "a resource such as secrets, deployments.apps or pods/log",
            "plural, lower case, with its API group after a dot",
        )
    ),
]
"""`resource[.group][/subresource]`, as `kubectl` writes it, or `*`."""

Verb = Annotated[str, BeforeValidator(one_of(*VERBS))]
"""What the grant allows."""

ObjectName = Annotated[str, BeforeValidator(matching(r"[^\x00-\x20\x7f/%]{1,253}", "the name of an object"))]
"""The name of an object; RBAC's own objects may have colons in theirs."""


FILL_IN = "FILL IN"
"""What a proposed exception says where a person has to say why and who."""


def _told(value: object) -> str:
    if isinstance(value, str) and FILL_IN in value.upper():
        raise wrong("words of a person who answers for it", "it was proposed by sentinel, and nobody has decided yet")
    return ONE_LINE(value)


Told = Annotated[str, BeforeValidator(_told)]
"""`Text` that somebody has written, and not `sentinel baseline propose`."""


class Grant(Section):
    """A read across tenants that is wanted: asked like all others, and no breach when it is granted."""

    source: Annotated[Name | str, BeforeValidator(matching(rf"\*|{DNS_LABEL}", "a tenant, anonymous or *"))] = Field(
        alias="from"
    )
    """Who may: a tenant, `anonymous`, or `*` for everybody."""

    target: Annotated[str, BeforeValidator(matching(rf"\*|{DNS_LABEL}", "a namespace, or * for the cluster"))] = Field(
        alias="to"
    )
    """Whose: a namespace, or `*` for the cluster scope."""

    verbs: Annotated[tuple[Verb, ...], Field(min_length=1)]
    """What may be done. No default: an exception is as small as it is written."""

    resources: Annotated[tuple[Resource, ...], Field(min_length=1)]
    """To which resources."""

    names: tuple[ObjectName, ...] = ()
    """To which objects of these resources; none means all, as in a Role."""

    reason: Told
    """Why it is wanted. Required: the auditor asks, and nobody remembers."""

    owner: Told
    """Who answers for it. Required for the same reason."""

    until: Day | None = None
    """The last day on which it holds. After it the grant is a breach again; `None` is for good."""

    def holds_on(self, day: date) -> bool:
        """Say whether the exception still holds on that day (UTC)."""
        return self.until is None or day <= self.until


class Isolation(Section):
    """The forbidden reads at the API server."""

    every: Duration = timedelta(seconds=10)
    """One round: the trip-wire of each target. Ten seconds leave most of the five minutes of the
    promise to the path from the metric to the phone, and cost ten tenants 35 requests a second."""

    within: Duration = timedelta(seconds=120)
    """The time in which secrets are really listed and read everywhere. With the 60 s of rules and
    routes this stays under the promise even where the trip-wire sees nothing."""

    sweep: Duration = timedelta(minutes=30)
    """The time in which every other question is really asked. Questions grow with the square of the
    tenants, and the audit log, not the CPU, is what that costs: 46 requests/s are 5.5 GB a day."""

    timeout: Duration = timedelta(seconds=4)
    """How long one answer may take. A healthy API server needs milliseconds; four seconds outlast two
    lost packets (resent after one and after three) and leave more than half of a round."""

    qps: Rate = 100.0
    """Requests per second of all sentinels of the cluster together; each takes its share. A hundred
    are at most 12 GB of audit log a day, and three times what ten tenants want."""

    witness_share: Share = 0.0
    """Of `qps`, the part that is the witness's; tenants share the rest. Zero, since a witness is
    optional; the chart writes the same number into every file."""

    discovery: Duration = timedelta(seconds=60)
    """How often the API server is asked which types it serves: a new one is asked about at the latest
    so long after it was installed. It costs a few requests, none of them about a tenant."""

    system: tuple[Namespace, ...] = ("kube-system", "sentinel-system")
    """Namespaces that belong to no tenant and are targets of everybody: one holds the keys of the
    cluster, the other ours."""

    release: Namespace = "sentinel-system"
    """The namespace of the Helm release: where the decoys are, and a label of every page. The chart
    writes its own."""

    lease: ObjectName | None = None
    """The Lease in the tenant's first namespace by which its pods agree on the one that asks the API
    server. `None`: there is one pod. The chart sets it for a DaemonSet. Read at the start."""

    allow: tuple[Grant, ...] = ()
    """Wanted grants. Empty: the promise is that there are none."""

    distribution: Annotated[
        Literal["none", "openshift"],
        BeforeValidator(one_of("none", "openshift")),
    ] = "none"
    """Whose cluster it is, where it grants more to every account than Kubernetes does. `none` says
    nothing of the kind: what we do not know of a distribution is a suspicion, and is asked for real."""
