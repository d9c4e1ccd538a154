"""The stand-in's whole behaviour, without a socket: a request comes in, a reply goes out.

    authenticate -> impersonate -> priority and fairness -> authorize -> handle

The steps and their order are the API server's own, since each leaves its marks on the answer:
a 401 has none of fairness, a 403 of the authorizer is never sniffed, and 406 is said only to
those who were let in. Objects come from manifests and may change at any time.

What it does not play it says (501): impersonation of groups, watches, and writes beyond the refusal to
show them as a picture. Lists are not paged.
"""

from __future__ import annotations

import json
import secrets
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sentinel.demo import answers, asked, reviews, served, world
from sentinel.demo.answers import Reply
from sentinel.demo.asked import Asked
from sentinel.demo.rbac import Access, Act, Manifest, User
from sentinel.demo.tokens import AUDIENCE, Account, Mint

ANONYMOUS = User("system:anonymous", ("system:unauthenticated",))
_HEALTH = ("/readyz", "/livez", "/healthz")
_PATCHES = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
)
_EXTRA_BLANK = "the provided Authorization header contains extra space before the bearer token, "
_WARNING = {"Warning": f'299 - "{_EXTRA_BLANK}and is ignored"'}
_VERSION = {
    "major": "1",
    "minor": "36",
    "emulationMajor": "1",
    "emulationMinor": "36",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "35",
    "gitVersion": "v1.36.3",
    "gitCommit": "0000000000000000000000000000000000000000",
    "gitTreeState": "clean",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "go1.26.8",
    "compiler": "gc",
    "platform": "linux/amd64",
}


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request. Header names are in lower case; `path` is without the query."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def accept(self) -> str:
        """What forms of answer the client takes."""
        return self.headers.get("accept", "")


class Cluster:
    """Objects, tokens and permissions, and the answers that follow from them.

    `now` gives epoch seconds; `address` is the host and port that discovery tells.
    """

    def __init__(self, now: Callable[[], float], address: str = "127.0.0.1:443") -> None:
        """A cluster with nothing in it but what every cluster has."""
        self.address = address
        self._now = now
        self._mint = Mint(secrets.token_bytes(32))
        self._objects: dict[tuple[str, str, str], dict[str, Any]] = {}
        self._version = 0
        self._impersonators: set[str] = set()
        self.apply(*world.defaults())

    def apply(self, *manifests: Manifest) -> None:
        """Creates or replaces objects; what follows from them holds from the next request on."""
        for manifest in manifests:
            self._version += 1
            self._objects[_key(manifest)] = self._stored(manifest)
        self._access = Access(list(self._objects.values()))

    def delete(self, *manifests: Manifest) -> None:
        """Removes objects; one that is not there is fine."""
        for manifest in manifests:
            self._objects.pop(_key(manifest), None)
        self._access = Access(list(self._objects.values()))

    def token(self, namespace: str, name: str = world.ACCOUNT, seconds: int = 3600) -> str:
        """A token of that service account, as a kubelet would get it."""
        meta = self._objects["ServiceAccount", namespace, name]["metadata"]
        return self._mint.issue(Account(namespace, name, meta["uid"]), self._now(), seconds)

    def answer(self, call: Call) -> Reply:
        """The reply to one request, but for the headers that every reply has."""
        user, warning = self._authenticate(call.headers.get("authorization", ""))
        if user is None:
            return answers.unauthorized(call.accept)
        wanted = asked.read(call.method, call.path, call.query)
        if any(name.startswith("impersonate-") for name in call.headers):
            found = self._impersonate(call, user, wanted)
            if isinstance(found, Reply):
                return replace(found, headers={**found.headers, **warning})
            user = found
        decision = self._access.decide(user, wanted.act)
        if decision.allowed:
            reply = self._handle(call, wanted, user)
        else:
            reply = answers.forbidden(user, wanted.act, decision.reason, call.accept)
        marks = {} if wanted.is_stream else _fairness(user, wanted)
        return replace(reply, headers={**reply.headers, **marks, **warning})

    def _impersonate(self, call: Call, user: User, wanted: Asked) -> User | Reply:
        """Whom the request is taken for, or the refusal, which comes before priority and fairness."""
        name = call.headers.get("impersonate-user", "")
        if not name or any(key.startswith("impersonate-") and key != "impersonate-user" for key in call.headers):
            return answers.not_played("impersonate groups", call.accept)
        other, mode, act = _other(name)
        if self._access.decide(user, act).allowed:
            self._impersonators.add(user.name)
            return other
        # The newer way is tried first, and it is its refusal that is told; of those who were once let in by
        # the older way that one is, and that is remembered.
        newer = replace(wanted.act, verb=f"impersonate-on:{mode}:{wanted.act.verb}")
        tried = act if user.name in self._impersonators else newer
        return answers.forbidden(user, tried, self._access.decide(user, tried).reason, call.accept)

    def _authenticate(self, header: str) -> tuple[User | None, Mapping[str, str]]:
        parts = header.strip().split(" ", 2)
        if len(parts) < 2 or parts[0].lower() != "bearer":
            return ANONYMOUS, {}
        if not parts[1]:
            return ANONYMOUS, _WARNING
        claims = self._mint.claims(parts[1], self._now())
        return self._user(claims) if claims else None, {}

    def _user(self, claims: Mapping[str, Any]) -> User | None:
        named = claims["kubernetes.io"]
        space, account = named["namespace"], named["serviceaccount"]
        known = self._objects.get(("ServiceAccount", space, account["name"]))
        if known is None or known["metadata"]["uid"] != account["uid"]:
            return None
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{space}", "system:authenticated")
        extra = {"authentication.kubernetes.io/credential-id": [f"JTI={claims['jti']}"]}
        return User(claims["sub"], groups, account["uid"], extra)

    def _handle(self, call: Call, wanted: Asked, user: User) -> Reply:
        return self._resource(call, wanted, user) if wanted.is_resource else self._path(call)

    def _path(self, call: Call) -> Reply:
        if call.path in _HEALTH:
            return answers.text(200, "ok")
        if call.path == "/version":
            return self._version_of(call.accept)
        found = served.document(call.path, self.address)
        if found is None:
            return _nothing_at(call)
        if not answers.takes_any(call.accept):
            return answers.not_acceptable(Act("get"), call.accept)
        return answers.compact(200, found)

    def _version_of(self, accept: str) -> Reply:
        if answers.takes_json(accept):
            return answers.indented(200, _VERSION)
        return answers.not_acceptable(Act("get"), accept, offered=(answers.JSON,))

    def _resource(self, call: Call, wanted: Asked, user: User) -> Reply:
        act, accept = wanted.act, call.accept
        served_as = f"{act.group}/{wanted.version}".lstrip("/")
        kind = served.types().get((served_as, act.kind))
        if kind is None or not _is_path(kind, act):
            return _nothing_at(call)
        if not _is_method(kind, act) or call.method == "HEAD":
            return answers.no_such_method(accept)
        if wanted.is_stream and act.subresource != "log":
            return self._stream(act, user, accept)
        if act.verb == "patch" and call.headers.get("content-type", "") not in _PATCHES:
            return answers.unsupported(accept)
        if not (answers.takes_json(accept) or (act.subresource == "log" and "text/plain" in accept)):
            return answers.not_acceptable(act, accept)
        return self._content(call, kind, act, user)

    def _stream(self, act: Act, user: User, accept: str) -> Reply:
        # Since 1.35 a GET that opens a stream into a pod needs create as well.
        second = self._access.decide(user, replace(act, verb="create"))
        if act.verb == "get" and act.subresource != "proxy" and not second.allowed:
            return answers.half_granted(act, accept)
        # There are no pods, services or nodes here to stream from.
        return answers.not_found(replace(act, name=_without_port(act)), accept)

    def _content(self, call: Call, kind: served.Type, act: Act, user: User) -> Reply:
        if act.verb == "create":
            return self._created(call, act, user)
        if act.verb not in ("get", "list"):
            return answers.not_played(f"{act.verb} {act.kind}", call.accept)
        space = act.namespace if kind.namespaced else ""
        if act.verb == "get":
            found = self._objects.get((kind.kind, space, act.name))
            known = found is not None and not act.subresource
            return answers.compact(200, found) if known else answers.not_found(act, call.accept)
        return answers.compact(200, self._list(kind, space))

    def _list(self, kind: served.Type, space: str) -> dict[str, Any]:
        items = [
            {key: value for key, value in found.items() if key not in ("kind", "apiVersion")}
            for key, found in sorted(self._objects.items())
            if key[0] == kind.kind and space in ("", key[1])
        ]
        meta = {"resourceVersion": str(self._version)}
        head = {"kind": f"{kind.kind}List", "apiVersion": kind.served_as, "metadata": meta}
        return head | {"items": items}

    def _created(self, call: Call, act: Act, user: User) -> Reply:
        body = _json(call.body)
        if body is None:
            return answers.bad_request("the object provided is unrecognized", call.accept)
        try:
            made = self._review(call, act, user, body)
        except reviews.MalformedError as error:
            return answers.bad_request(str(error), call.accept)
        except reviews.InvalidError as error:
            return answers.invalid(error.group, error.kind, error.field, error.reason, call.accept)
        if isinstance(made, Reply):
            return made
        return answers.compact(201, made)

    def _review(self, call: Call, act: Act, user: User, body: Mapping[str, Any]) -> dict[str, Any] | Reply:
        manager = call.headers.get("user-agent", "").partition("/")[0]
        match act.kind:
            case "selfsubjectreviews":
                return reviews.whoami(user, self._now())
            case "selfsubjectrulesreviews":
                return reviews.rules(self._access, user, body)
            case "selfsubjectaccessreviews":
                return reviews.access_review(self._access, user, body, self._now(), manager)
            case "serviceaccounts/token":
                return self._token_request(call, act, body, manager)
        return answers.not_played(f"{act.verb} {act.kind}", call.accept)

    def _token_request(self, call: Call, act: Act, body: Mapping[str, Any], manager: str) -> dict[str, Any] | Reply:
        found = self._objects.get(("ServiceAccount", act.namespace, act.name))
        if found is None:
            return answers.not_found(replace(act, subresource=""), call.accept)
        account, now = Account(act.namespace, act.name, found["metadata"]["uid"]), self._now()

        def issue(seconds: int, audiences: list[str]) -> str:
            return self._mint.issue(account, now, seconds, audiences)

        return reviews.token_request(found, body, issue, AUDIENCE, now, manager)

    def _stored(self, manifest: Manifest) -> dict[str, Any]:
        meta = dict(manifest["metadata"])
        place = {key: meta.pop(key) for key in ("name", "namespace") if key in meta}
        before = self._objects.get(_key(manifest))
        identity = {
            "uid": before["metadata"]["uid"] if before else str(uuid.uuid4()),
            "resourceVersion": str(self._version),
            "creationTimestamp": reviews.stamp(self._now()),
        }
        head = {"kind": manifest["kind"], "apiVersion": manifest["apiVersion"]}
        rest = {key: value for key, value in manifest.items() if key not in (*head, "metadata")}
        return {**head, "metadata": {**place, **identity, **meta}, **rest}


def _other(name: str) -> tuple[User, str, Act]:
    """Somebody else, what taking their name is called, and the right it takes."""
    parts = name.split(":")
    if parts[:2] == ["system", "serviceaccount"] and len(parts) == 4:
        _, _, space, account = parts
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{space}", "system:authenticated")
        act = Act("impersonate", resource="serviceaccounts", namespace=space, name=account)
        return User(name, groups), "serviceaccount", act
    act = Act("impersonate", resource="users", name=name)
    mode = "arbitrary-node" if parts[:2] == ["system", "node"] else "user-info"
    return User(name, ("system:authenticated",)), mode, act


def _key(manifest: Manifest) -> tuple[str, str, str]:
    meta = manifest["metadata"]
    return manifest["kind"], meta.get("namespace", ""), meta["name"]


def _nothing_at(call: Call) -> Reply:
    """Beneath a group that is served the group answers, elsewhere nobody does."""
    prefix, group, *_ = [*call.path.strip("/").split("/"), ""]
    is_served = prefix == "api" or (prefix == "apis" and group in served.versions())
    return answers.no_such_resource(call.accept) if is_served else answers.no_such_path()


def _is_path(kind: served.Type, act: Act) -> bool:
    """Whether such a path exists at all, whatever the method."""
    if act.subresource and not act.name:
        return False
    if kind.namespaced:
        return bool(act.namespace) or not act.name or act.verb in ("list", "watch")
    return not act.namespace or act.resource == "namespaces"


def _is_method(kind: served.Type, act: Act) -> bool:
    """Whether that path takes this method."""
    if act.verb == "create" and act.name and not act.subresource:
        return False
    everywhere = kind.namespaced and not act.namespace
    return act.verb in kind.verbs and not (everywhere and act.verb not in ("list", "watch"))


def _without_port(act: Act) -> str:
    """The name behind `scheme:name:port`, as proxies write it."""
    parts = act.name.split(":")
    return act.name if act.subresource != "proxy" else parts[1] if len(parts) == 3 else parts[0]


def _fairness(user: User, wanted: Asked) -> dict[str, str]:
    schema, level = _flow(user, wanted)
    return {
        "X-Kubernetes-Pf-Flowschema-Uid": _uid(f"flowschema/{schema}"),
        "X-Kubernetes-Pf-Prioritylevel-Uid": _uid(f"prioritylevel/{level}"),
    }


def _flow(user: User, wanted: Asked) -> tuple[str, str]:
    """The flow schema and priority level that Kubernetes has for such a request by default."""
    if wanted.act.path.startswith(_HEALTH):
        return "probes", "exempt"
    if "system:serviceaccounts:kube-system" in user.groups:
        return "kube-system-service-accounts", "workload-high"
    if "system:serviceaccounts" in user.groups:
        return "service-accounts", "workload-low"
    return "global-default", "global-default"


def _uid(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{name}.stand-in.invalid"))


def _json(body: bytes) -> Mapping[str, Any] | None:
    try:
        value = json.loads(body)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
