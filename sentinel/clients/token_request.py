"""Tokens of further accounts by TokenRequest, where a Role allows it by name; renewed at 80 %."""

import json
from dataclasses import dataclass
from urllib.parse import quote

from sentinel.clients.kube import JSON, Connection, Request
from sentinel.clients.tokens import Token, parse
from sentinel.errors import BadReply, OwnFault

LIFE_SECONDS = 3600
"""Asked for; the API server's minimum is 600. Short, since it is held in memory only."""
RENEW_AT = 0.8
"""Share of its life after which a token is renewed, as the kubelet does."""
_BODY_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Account:
    """The ServiceAccount whose token is asked for."""

    namespace: str
    name: str

    @property
    def path(self) -> str:
        """The token subresource."""
        where = f"/api/v1/namespaces/{quote(self.namespace)}/serviceaccounts"
        return f"{where}/{quote(self.name)}/token"


async def request_token(connection: Connection, bearer: str, account: Account) -> Token:
    """A fresh token. Raises OwnFault when it is refused, BadReply when it is not understood."""
    body = json.dumps({"spec": {"expirationSeconds": LIFE_SECONDS}}).encode()
    asked = Request("POST", account.path, bearer, JSON, body, keep=_BODY_BYTES)
    reply = await connection.ask(asked)
    where = f"token of {account.namespace}/{account.name}"
    if reply.status != 201:
        raise OwnFault(f"{where}: {reply.detail or reply.status}, expected 201")
    try:
        return parse(str(json.loads(reply.body)["status"]["token"]), where)
    except (ValueError, KeyError, TypeError) as error:
        raise BadReply(f"{where}: the reply holds no token") from error
