"""As whom we ask. A hole for one account is often no hole for another, so the account is part of the question."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from sentinel.settings.section import Section, wrong
from sentinel.settings.words import Account, FilePath, Name, Text

SELF = "self"
"""The name of the identity that the pod itself has; every other one borrows its gates."""

ANONYMOUS = "anonymous"
"""The name of the identity without any token."""

OWN_ACCOUNT = "sentinel"
"""The ServiceAccount that the chart gives each sentinel."""


class TokenFile(Section):
    """A token that somebody else keeps fresh for us: a projected token, a mounted Secret."""

    file: FilePath
    """Read again whenever it changes. The token itself never stands in the configuration."""


def _word_or_file(value: object) -> object:
    if isinstance(value, (dict, TokenFile)) or value in ("own", "none", "request"):
        return value
    raise wrong("own, none, request or {file: <path>}")


def _kind(value: object) -> str:
    return "<word>" if isinstance(value, str) else "<file>"


Token = Annotated[
    Annotated[
        Annotated[Literal["own", "none", "request"], Tag("<word>")] | Annotated[TokenFile, Tag("<file>")],
        Discriminator(_kind),
    ],
    BeforeValidator(_word_or_file),
]
"""`own`: the pod's token, outside a pod the kubeconfig's. `none`: no Authorization header at all.
`request`: from TokenRequest, where a Role allows it by name. Or a file."""


class Identity(Section):
    """One account that asks the questions."""

    name: Name
    """The value of the label `identity`."""

    token: Token
    """Where its token comes from. No default: to ask as somebody else than meant proves nothing."""

    service_account: Annotated[Account | None, Field(alias="serviceAccount")] = None
    """For `request`: the ServiceAccount in the tenant's first namespace whose token is asked for."""

    expect: Text | None = None
    """The user that the API server must see. By default the ServiceAccount in the tenant's first
    namespace: `sentinel` for `self`, the requested one, or for a file the one of the identity's name."""

    def user(self, namespace: str) -> str:
        """Give the user name that whoami must answer, for a tenant whose first namespace this is."""
        if self.expect is not None:
            return self.expect
        match self.token:
            case "none":
                return "system:anonymous"
            case "own":
                account = OWN_ACCOUNT
            case _:
                account = self.service_account or self.name
        elsewhere, _, name = account.rpartition("/")
        return f"system:serviceaccount:{elsewhere or namespace}:{name}"


def usual() -> tuple[Identity, ...]:
    """Give the two identities that need nothing but the pod."""
    return (Identity(name=SELF, token="own"), Identity(name=ANONYMOUS, token="none"))
