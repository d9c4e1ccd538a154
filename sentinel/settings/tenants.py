"""Who shares the cluster. Every daemon is given the whole list and learns from it whom to ask about."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator

from sentinel.settings.section import Section, wrong
from sentinel.settings.words import DNS_LABEL, DNS_SUBDOMAIN, Name, Namespace, Text, matching

AccountPath = Annotated[
    str,
    BeforeValidator(
        matching(
            rf"(?=.{{1,317}}$)({DNS_LABEL}/)?{DNS_SUBDOMAIN}",
            "the name of a ServiceAccount, with its namespace and a slash before it unless that is the first one",
        )
    ),
]
"""`default` in the tenant's first namespace, `team-b-jobs/runner` in another one."""

Group = Annotated[str, BeforeValidator(matching(r"[^\x00-\x1f\x7f-\x9f\"\\]{1,200}", "the name of a group"))]
"""As the cluster's authentication writes it, e.g. `oidc:team-a-developers`."""


def _checksum(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**32:
        raise wrong("an adler32, from 0 to 4294967295")
    return value


class Tenant(Section):
    """One tenant: a name, the namespaces that are its own, and whom to call."""

    name: Name
    """The value of the label `tenant`."""

    namespaces: tuple[Namespace, ...]
    """All of them, the first is where its sentinel runs. A namespace that is missing here is a
    namespace that nobody watches. Empty only for others under `disclosure: opaque`."""

    owner: Text | None = None
    """Who answers for it, in the words of the page. No default: a wrong name is worse than none."""

    contact: Text | None = None
    """Where to reach them; `None` for the same reason."""

    accounts: tuple[AccountPath, ...] = ("default",)
    """For the witness: its ordinary ServiceAccounts, asked as besides the sentinel's own. Every pod that
    names none runs as `default`; accounts that are missing here are counted as unwatched."""

    groups: tuple[Group, ...] = ()
    """For the witness: its groups of people, whose rights are reviewed. Empty, since nobody but the
    identity provider knows them."""

    id: Name | None = None
    """For the witness: what the other tenants know it by under `disclosure: opaque`. `None`: by nothing, and
    so its beacons are on nobody else's roster."""

    config_hash: Annotated[int | None, BeforeValidator(lambda value: None if value is None else _checksum(value))] = (
        None
    )
    """For the witness: the adler32 of the sentinel.yaml that this tenant was given. `None`: not compared."""
