"""A small synchronous client of an API server: requests as they are, and manifests.

It stands beside the product's own client on purpose: what the product believes is
compared with what an independent client sees.
"""

import http.client
import json
import ssl
import urllib.parse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

Manifest = Mapping[str, Any]

APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"


@dataclass(frozen=True)
class Reply:
    """What came back. `headers` keeps the names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def message(self) -> str:
        """The `message` of a Status, else the text itself."""
        try:
            return str(self.json["message"])
        except (ValueError, KeyError, TypeError):
            return self.body.decode(errors="replace")


class Refused(RuntimeError):
    """The API server said no to something a test needs; `reply` has the answer."""

    def __init__(self, method: str, path: str, reply: Reply) -> None:
        super().__init__(f"{method} {path}: {reply.status} {reply.message}")
        self.reply = reply


class ApiClient:
    """One identity's requests; `token=None` asks as anonymous. A new connection each."""

    def __init__(self, url: str, ca_file: Path, token: str | None) -> None:
        parts = urllib.parse.urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 443
        self._tls = ssl.create_default_context(cafile=str(ca_file))
        self._token = token
        self._kinds: dict[tuple[str, str], tuple[str, bool]] = {}

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 20.0,
    ) -> Reply:
        """The reply, whatever it is. A body that is not bytes is sent as JSON."""
        sent = {"Content-Type": "application/json"} if body is not None else {}
        if self._token is not None:
            sent["Authorization"] = f"Bearer {self._token}"
        payload = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        connection = http.client.HTTPSConnection(self._host, self._port, timeout=timeout, context=self._tls)
        try:
            connection.request(method, path, payload, sent | dict(headers or {}))
            answer = connection.getresponse()
            names = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, names, answer.read())
        finally:
            connection.close()

    def must(self, method: str, path: str, body: object = None, **more: Any) -> Any:
        """The JSON of a 2xx reply; raises Refused for any other."""
        reply = self.request(method, path, body, **more)
        if not 200 <= reply.status < 300:
            raise Refused(method, path, reply)
        return reply.json

    def apply(self, *manifests: Manifest | str) -> list[Any]:
        """Server-side apply with strict validation, as stored. A text may hold several."""
        query = "?fieldManager=tests&force=true&fieldValidation=Strict"
        return [
            self.must(
                "PATCH",
                self.path_of(manifest) + query,
                json.dumps(manifest).encode(),
                headers={"Content-Type": APPLY},
            )
            for manifest in documents(manifests)
        ]

    def create(self, manifest: Manifest) -> Any:
        path, _, _ = self.path_of(manifest).rpartition("/")
        return self.must("POST", f"{path}?fieldValidation=Strict", manifest)

    def get(self, manifest: Manifest) -> Any:
        """The stored object that has this manifest's kind, namespace and name."""
        return self.must("GET", self.path_of(manifest))

    def patch(self, manifest: Manifest, change: Manifest) -> Any:
        """A JSON merge patch: null removes."""
        path = self.path_of(manifest)
        return self.must("PATCH", path, change, headers={"Content-Type": MERGE})

    def delete(self, *manifests: Manifest | str) -> None:
        """Deletes what is there; what is already gone is fine."""
        for manifest in documents(manifests):
            path = self.path_of(manifest)
            reply = self.request("DELETE", path)
            if reply.status not in (200, 202, 404):
                raise Refused("DELETE", path, reply)

    def exists(self, manifest: Manifest) -> bool:
        return self.request("GET", self.path_of(manifest)).status == 200

    def whoami(self) -> str:
        """The user name that the API server sees."""
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
        return str(self.must("POST", path, body)["status"]["userInfo"]["username"])

    def path_of(self, manifest: Manifest) -> str:
        """The object's path; `default` where a namespaced manifest names no namespace."""
        version, kind = manifest["apiVersion"], manifest["kind"]
        resource, namespaced = self._resource(version, kind)
        metadata = manifest["metadata"]
        within = f"/namespaces/{metadata.get('namespace', 'default')}" if namespaced else ""
        return f"{root_of(version)}{within}/{resource}/{metadata['name']}"

    def _resource(self, version: str, kind: str) -> tuple[str, bool]:
        if (version, kind) not in self._kinds:
            for found in self.must("GET", root_of(version))["resources"]:
                if "/" not in found["name"]:
                    self._kinds[version, found["kind"]] = found["name"], found["namespaced"]
        return self._kinds[version, kind]


def root_of(version: str) -> str:
    return f"/apis/{version}" if "/" in version else f"/api/{version}"


def documents(manifests: tuple[Manifest | str, ...]) -> Iterator[Manifest]:
    for manifest in manifests:
        if isinstance(manifest, str):
            yield from (found for found in yaml.safe_load_all(manifest) if found)
        else:
            yield manifest
