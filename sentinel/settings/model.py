"""The whole configuration as one frozen value, and what follows from it: who we are and whom we ask about."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from sentinel.settings.alerting import Alerting
from sentinel.settings.checks import FurtherCheck
from sentinel.settings.gateways import Gateway
from sentinel.settings.identities import Identity, usual
from sentinel.settings.isolation import Isolation
from sentinel.settings.journal import Journal
from sentinel.settings.kubernetes import Kubernetes
from sentinel.settings.log import Log
from sentinel.settings.network import Network
from sentinel.settings.paging import Paging
from sentinel.settings.relay import Relay
from sentinel.settings.section import Section
from sentinel.settings.tenants import Tenant
from sentinel.settings.web import Web
from sentinel.settings.words import Name, matching, one_of

ClusterName = Annotated[
    str,
    BeforeValidator(
        matching(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,127}", "the name of the cluster (letters, digits and . _ : / @ -)")
    ),
]
"""A label of every page; wide enough for an ARN or a context of a kubeconfig."""


class Settings(Section):
    """The configuration file, parsed once."""

    cluster: ClusterName
    """Which cluster a page is about. No default: two clusters with the same name page as one."""

    tenant: Name = ""
    """Which of the tenants we are. `load` fills it in: the one that owns the namespace we run in."""

    disclosure: Annotated[Literal["names", "opaque"], BeforeValidator(one_of("names", "opaque"))] = "names"
    """What tenants learn of each other. `opaque`: ids without namespaces, so a sentinel asks about the
    whole cluster and the system only, and the witness about everybody else. `names` is the default,
    since it works without a witness."""

    kubernetes: Kubernetes = Kubernetes()
    """The pod's own way in."""

    identities: tuple[Identity, ...] = Field(default_factory=usual)
    """The pod's account, and nobody: grants to all accounts show through the first, grants to
    everybody through the second."""

    tenants: Annotated[tuple[Tenant, ...], Field(min_length=1)]
    """All of them, ourselves included. No default: an empty list watches nothing and looks green."""

    isolation: Isolation = Isolation()
    """The forbidden reads."""

    network: Network = Network()
    """The forbidden connections."""

    gateways: tuple[Gateway, ...] = ()
    """LLM gateways: asked slowly by each tenant, fast by the witness."""

    checks: tuple[FurtherCheck, ...] = ()
    """Further checks (none can be configured yet)."""

    paging: Paging = Paging()
    """Who is told, and how soon."""

    alerting: Alerting = Alerting()
    """Whether the page is on time: the witness works it out."""

    relay: Relay | None = None
    """Only in the witness's own file: with it this is no tenant's sentinel."""

    web: Web = Web()
    """What we serve."""

    journal: Journal = Journal()
    """What we keep."""

    log: Log = Log()
    """What we say."""

    @property
    def is_witness(self) -> bool:
        """Say whether this is the file of the witness, which is no tenant."""
        return self.relay is not None

    @property
    def own(self) -> Tenant:
        """The tenant we are."""
        return next(tenant for tenant in self.tenants if tenant.name == self.tenant)

    @property
    def home(self) -> str:
        """The namespace in which this tenant's sentinel and its account live."""
        return self.own.namespaces[0]

    @property
    def targets(self) -> tuple[str, ...]:
        """The namespaces to ask about: those of all other tenants, then those of the system."""
        others = (space for tenant in self.tenants if tenant.name != self.tenant for space in tenant.namespaces)
        return (*others, *self.isolation.system)

    def owner_of(self, namespace: str) -> Tenant | None:
        """Give the tenant that owns this namespace, if one does."""
        return next((tenant for tenant in self.tenants if namespace in tenant.namespaces), None)

    def expected_user(self, identity: str) -> str:
        """Give the user name that the API server must see for the identity of this name."""
        found = next(entry for entry in self.identities if entry.name == identity)
        return found.user(self.home)
