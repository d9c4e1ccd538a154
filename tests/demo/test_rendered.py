"""The demo shows the installation, not a likeness of it: what it uses is what the chart renders."""

from typing import Any

import yaml

from sentinel.demo import world
from tests.demo import rendered

RBAC = ("Role", "RoleBinding", "ServiceAccount")
AGAIN = "not what the chart renders; `python -m tests.demo.rendered` writes it anew"


def test_rules_route_and_configurations_are_the_charts_own() -> None:
    kept = {file.name: file.read_text() for file in rendered.FOLDER.iterdir()}

    made = rendered.files()

    assert kept.keys() == made.keys(), AGAIN
    for name, content in made.items():
        assert yaml.safe_load(kept[name]) == yaml.safe_load(content), f"{name}: {AGAIN}"
    # The rules compare the hash of these bytes with what each sentinel says it was given.
    for tenant in world.TENANTS:
        assert kept[f"{tenant}.yaml"] == made[f"{tenant}.yaml"], f"{tenant}.yaml: {AGAIN}"


def test_the_world_grants_exactly_what_the_chart_grants() -> None:
    assert permissions(world.installed()) == permissions(rendered.objects())


def test_the_worthless_secrets_lie_where_the_chart_puts_them() -> None:
    def places(objects: list[dict[str, Any]]) -> set[tuple[str, str, str]]:
        wanted = [one for one in objects if one["metadata"]["name"] in names]
        return {(o["kind"], o["metadata"]["namespace"], o["metadata"]["name"]) for o in wanted}

    names = ("sentinel-beacon", "sentinel-decoy", "sentinel-decoy-closed")
    secrets = [one for one in rendered.objects() if one["kind"] in ("Secret", "ConfigMap")]
    ours = [one for one in world.installed() if one["kind"] in ("Secret", "ConfigMap")]

    assert places(ours) == places(secrets)


def permissions(objects: list[dict[str, Any]]) -> dict[tuple[str, str, str], Any]:
    """What the objects say of access, whatever labels they carry."""
    return {
        (one["kind"], one["metadata"]["namespace"], one["metadata"]["name"]): {
            key: one[key] for key in ("rules", "roleRef", "subjects") if key in one
        }
        for one in objects
        if one["kind"] in RBAC
    }
