"""What leaves the repository: the packaged chart, and the manifests for those without Helm."""

import base64
import gzip
import json
import tarfile
from pathlib import Path

import pytest
import yaml

from tests.deploy import chart

MANIFESTS = chart.ROOT / "deploy" / "manifests"


def test_the_package_holds_the_rules_themselves_and_no_link(tmp_path: Path) -> None:
    chart.helm("package", str(chart.CHART), "--destination", str(tmp_path))

    (package,) = tmp_path.glob("*.tgz")
    with tarfile.open(package) as content:
        members = {member.name.removeprefix("tenant-sentinel/"): member for member in content.getmembers()}
    shipped = {f"alerts/{path.name}" for path in (chart.ROOT / "alerts").glob("*.rules.yaml")}
    assert shipped
    assert shipped | {"alerts/route.yaml", "alerts/dashboards/drills.json"} <= set(members)
    assert all(member.isfile() for member in members.values())
    assert not [name for name in members if "runbooks" in name or "tests" in name or "soc" in name]


def test_a_packaged_chart_renders_what_the_repository_renders(tmp_path: Path) -> None:
    chart.helm("package", str(chart.CHART), "--destination", str(tmp_path))

    (package,) = tmp_path.glob("*.tgz")
    assert chart.render(chart.witnessed(2), chart=package) == chart.render(chart.witnessed(2))


def test_the_manifests_are_what_the_chart_renders_for_the_two_example_tenants() -> None:
    example = yaml.safe_load((MANIFESTS / "values.yaml").read_text())

    written = (MANIFESTS / "tenant-sentinel.yaml").read_text()

    assert chart.text(example) == written, "run `make manifests` and commit what it writes"


@pytest.mark.parametrize("disclosure", ["names", "opaque"])
def test_a_release_of_250_tenants_fits_into_what_helm_can_keep(disclosure: str, tmp_path: Path) -> None:
    chosen = chart.witnessed(disclosure=disclosure)
    chosen["tenants"] = [
        {
            "name": f"platform-team-{n:03}",
            "namespaces": [f"platform-team-{n:03}", f"platform-team-{n:03}-jobs"],
            "owner": f"owners of platform-team-{n:03}",
            "contact": f"#platform-team-{n:03}-oncall",
        }
        for n in range(250)
    ]

    # A Secret holds 1 MiB.
    assert len(kept(chosen, tmp_path)) < 768 * 1024


def kept(chosen: chart.Object, folder: Path) -> bytes:
    """What Helm keeps of a release: one JSON text with chart, values and all objects, compressed, in base64."""
    chart.helm("package", str(chart.CHART), "--destination", str(folder))
    (package,) = folder.glob("*.tgz")
    with tarfile.open(package) as content:
        files = {member.name: content.extractfile(member) for member in content.getmembers()}
        shipped = {name: base64.b64encode(file.read()).decode() for name, file in files.items() if file}
    release = {"chart": shipped, "config": chosen, "manifest": chart.text(chosen)}
    return base64.b64encode(gzip.compress(json.dumps(release).encode(), 9))


def test_the_policy_for_the_monitoring_namespace_is_the_charts_own() -> None:
    plain = yaml.safe_load((chart.ROOT / "deploy" / "network-policy-monitoring.yaml").read_text())

    (rendered,) = chart.of_kind(chart.render(chart.values(1, networkPolicy={"enabled": True})), "NetworkPolicy")

    assert plain == rendered
