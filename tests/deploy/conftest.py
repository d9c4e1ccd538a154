"""A control plane of this folder's own (the chart writes into kube-system), and the image, built once."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy import chart, image, operator_crds
from tests.support import manifests
from tests.support.controlplane import CONTROLLERS, ControlPlane

NAMESPACES = ("sentinel-system", "team-1", "team-2", "team-2-jobs")


@pytest.fixture(scope="package")
def ground() -> Iterator[ControlPlane]:
    """Namespaces that enforce the restricted Pod Security standard, and the operator's CRDs; no chart yet."""
    with ControlPlane(controllers=CONTROLLERS) as cluster:
        enforce = {"pod-security.kubernetes.io/enforce": "restricted"}
        cluster.admin.apply(*(manifests.namespace(name, **enforce) for name in NAMESPACES))
        for account in ("team-1/ci", "team-1/robot", "team-2-jobs/runner"):
            cluster.admin.apply(manifests.account(*account.split("/")))
        operator_crds.apply(cluster)
        yield cluster


@pytest.fixture(scope="package")
def installed(ground: ControlPlane) -> ControlPlane:
    """The chart's objects for two tenants, applied, the witness among them; team-1 asks as ci and robot besides."""
    ground.admin.apply(*chart.render(chosen()))
    return ground


@pytest.fixture(scope="package")
def built() -> Iterator[image.Stage]:
    """The image, as the Dockerfile's steps make it; half a minute."""
    with tempfile.TemporaryDirectory(prefix="sentinel-image-") as folder:
        yield image.build(Path(folder), chart.ROOT)


def chosen() -> chart.Object:
    values = chart.witnessed(2)
    values["tenants"][1]["accounts"] = ["default", "team-2-jobs/runner"]
    values["tenants"][0]["identities"] = [
        {"name": "ci", "token": "request"},
        {"name": "robot", "token": {"file": "/var/run/secrets/robot/token"}, "secret": "robot-token"},
    ]
    return values
