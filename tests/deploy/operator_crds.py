"""The CustomResourceDefinitions of the Prometheus Operator that the chart's objects are instances of.

From the operator's own Go module, checked by Go's checksum database, kept in the cache of the other parts. Only
four of its ten: all of them cost the API server ten seconds.
"""

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import yaml

from tests.deploy.chart import Object
from tests.parts import MissingPart, cache
from tests.support.controlplane import ControlPlane
from tests.support.eventually import eventually

VERSION = "v0.85.0"
MODULE = "github.com/prometheus-operator/prometheus-operator"
KINDS = {"podmonitors": "v1", "prometheusrules": "v1", "servicemonitors": "v1", "alertmanagerconfigs": "v1alpha1"}
"""With the version that is asked for."""


class _Loader(yaml.SafeLoader):
    """A bare `=`, one of the operators of a matcher, is a type of its own in YAML 1.1."""


_Loader.add_constructor("tag:yaml.org,2002:value", lambda _, node: node.value)


def crds() -> list[Object]:
    """The definitions; raises MissingPart with what to install."""
    folder = cache.folder() / f"prometheus-operator-crds-{VERSION}-{len(KINDS)}"
    if not folder.is_dir():
        bring(folder)
    return [yaml.load((folder / f"{kind}.yaml").read_text(), Loader=_Loader) for kind in KINDS]


def bring(folder: Path) -> None:
    source = module() / "example" / "prometheus-operator-crd"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="making-") as new:
        for kind in KINDS:
            shutil.copyfile(source / f"monitoring.coreos.com_{kind}.yaml", Path(new) / f"{kind}.yaml")
        # Half a folder would pass for a whole one: it gets its name at the end.
        shutil.copytree(new, f"{new}.done")
        Path(f"{new}.done").replace(folder)


def module() -> Path:
    """Where Go keeps the module's files."""
    go = shutil.which("go")
    if go is None:
        raise MissingPart(f"the CRDs of {MODULE} {VERSION} come through Go: put `go` on PATH")
    with tempfile.TemporaryDirectory() as outside:  # outside of any module, whose go.mod would decide
        ended = subprocess.run(
            [go, "mod", "download", "-json", f"{MODULE}@{VERSION}"],
            cwd=outside,
            env=os.environ | {"GOFLAGS": ""},
            capture_output=True,
            text=True,
            check=False,
        )
    if ended.returncode:
        raise MissingPart(f"`go mod download {MODULE}@{VERSION}`: {ended.stderr or ended.stdout}")
    return Path(json.loads(ended.stdout)["Dir"])


def apply(cluster: ControlPlane) -> None:
    """Gives the API server the three kinds; returns when it serves them."""
    cluster.admin.apply(*crds())
    eventually(lambda: all(is_served(cluster, kind) for kind in KINDS), 20, "the operator's kinds are served")


def is_served(cluster: ControlPlane, kind: str) -> bool:
    return cluster.admin.request("GET", f"/apis/monitoring.coreos.com/{KINDS[kind]}/{kind}?limit=1").status == 200
