"""Helm, as a user runs it: `render(values)` gives the objects, `refusal(values)` the words of a refusal.

Offline and in a home of its own, so that nothing of the machine's Helm matters.
"""

import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tests import parts

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Fifteen times as fast as PyYAML's own, for a few hundred kilobytes at a time."""

Object = dict[str, Any]
Values = Mapping[str, Any]

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "chart"
RELEASE = "sentinel-system"
TLS = {"secret": "its-tls", "ca": "-----BEGIN CERTIFICATE-----\nno real one\n-----END CERTIFICATE-----\n"}
"""As if somebody else had made the witness's certificate."""


class Refused(RuntimeError):
    """Helm refused; the text is what it said on standard error."""


def tenants(count: int) -> list[Object]:
    """team-1, team-2, …; each in a namespace of its name, the second with another one besides."""
    made: list[Object] = [{"name": f"team-{n}", "namespaces": [f"team-{n}"]} for n in range(1, count + 1)]
    if count > 1:
        made[1]["namespaces"].append("team-2-jobs")
    return made


def values(count: int = 2, **more: Any) -> Object:
    """The least that renders, without a witness, and what a test adds to it."""
    least = {"cluster": "tests", "image": {"repository": "registry.example.com/tenant-sentinel"}}
    return least | {"tenants": tenants(count), "witness": {"enabled": False}} | more


def witnessed(count: int = 2, **more: Any) -> Object:
    """The same with the witness, whose certificate is somebody else's: each rendering is like the other."""
    return values(count) | {"witness": {"tls": TLS}} | more


def render(chosen: Values, *, chart: Path = CHART, namespace: str = RELEASE) -> list[Object]:
    """The objects that `helm template` gives, in its order."""
    return [found for found in yaml.load_all(text(chosen, chart=chart, namespace=namespace), _LOADER) if found]


def text(chosen: Values, *, chart: Path = CHART, namespace: str = RELEASE) -> str:
    with values_file(chosen) as file:
        return helm("template", "sentinel", str(chart), "--namespace", namespace, "--values", file)


def refusal(chosen: Values) -> str:
    """What Helm says to values that it must not take."""
    try:
        render(chosen)
    except Refused as refused:
        return str(refused)
    raise AssertionError(f"rendered without complaint: {dict(chosen)}")


class values_file:
    """A `with` block's values file; JSON is YAML, and keeps numbers and texts apart."""

    def __init__(self, chosen: Values) -> None:
        self._chosen = chosen

    def __enter__(self) -> str:
        self._folder = tempfile.TemporaryDirectory(prefix="sentinel-values-")
        path = Path(self._folder.name) / "values.yaml"
        path.write_text(yaml.safe_dump(dict(self._chosen)))
        return str(path)

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()


def helm(*arguments: str) -> str:
    """What `helm` prints; raises Refused with what it says on standard error."""
    with tempfile.TemporaryDirectory(prefix="sentinel-helm-") as home:
        environment = os.environ | {"HOME": home, "KUBECONFIG": f"{home}/none", "LC_ALL": "C"}
        command = [str(parts.find("helm")), *arguments]
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    if ended.returncode:
        raise Refused(ended.stderr + ended.stdout)
    return ended.stdout


def of_kind(objects: Sequence[Object], kind: str, name: str | None = None) -> list[Object]:
    return [found for found in objects if found["kind"] == kind and name in (None, found["metadata"]["name"])]


def one(objects: Sequence[Object], kind: str, name: str, namespace: str | None = None) -> Object:
    """The one object of that kind, name and namespace (None: whichever, or none)."""
    fits = [f for f in of_kind(objects, kind, name) if namespace in (None, f["metadata"].get("namespace"))]
    (found,) = fits
    return found


def rules(objects: Sequence[Object]) -> Iterator[tuple[str, Object]]:
    """Each rule of each Role and ClusterRole, with the namespace it holds in."""
    for role in of_kind(objects, "Role") + of_kind(objects, "ClusterRole"):
        for rule in role["rules"]:
            yield role["metadata"].get("namespace", "*"), rule


def subjects(binding: Object) -> list[str]:
    """`namespace/name` of each account that a binding names, the name itself of each group."""
    return ["/".join(filter(None, (found.get("namespace"), found["name"]))) for found in binding["subjects"]]


def configuration(objects: Sequence[Object], namespace: str) -> str:
    """The sentinel.yaml of the tenant whose home this is, byte by byte."""
    return str(one(objects, "ConfigMap", "sentinel", namespace)["data"]["sentinel.yaml"])
