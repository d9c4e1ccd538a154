"""What the demo takes from the chart: `python -m tests.demo.rendered` writes it anew.

The demo must run where there is no Helm, so the chart's rules, route and configurations are kept
rendered in the package, for the demo's three tenants and with every timer ten times as fast.
"""

import subprocess
import tempfile
from pathlib import Path
from typing import Any

import yaml

from sentinel.demo import world
from tests import parts

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "sentinel/demo/rendered"
OWNERS = {"team-a": "Payments", "team-b": "Search", "team-c": "Billing"}
VALUES: dict[str, Any] = {
    "cluster": "demo",
    "image": {"repository": "none.invalid/tenant-sentinel"},
    "tenants": [
        {"name": name, "namespaces": [name], "owner": owner, "contact": f"#{owner.lower()}-oncall"}
        for name, owner in OWNERS.items()
    ],
    # A show of a minute has to see everything proven twice.
    "config": {"isolation": {"every": "10s", "within": "30s", "sweep": "60s", "timeout": "9s", "qps": 300}},
    "monitor": {"enabled": False},
    "witness": {"enabled": False},
    "timeScale": 0.1,
}  # fmt: skip


def objects() -> list[dict[str, Any]]:
    """Everything the chart renders."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as values:
        yaml.safe_dump(VALUES, values)
        values.flush()
        command = [str(parts.find("helm")), "template", "sentinel", str(ROOT / "deploy/chart")]
        command += ["--namespace", world.RELEASE, "--values", values.name]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    return [one for one in yaml.safe_load_all(done.stdout) if one]


def files() -> dict[str, str]:
    """File name to content, as the package should have them."""
    maps: dict[tuple[str, str], dict[str, str]] = {
        (one["metadata"]["namespace"], one["metadata"]["name"]): one["data"]
        for one in objects()
        if one["kind"] == "ConfigMap"
    }
    configs = {f"{name}.yaml": maps[name, "sentinel"]["sentinel.yaml"] for name in world.TENANTS}
    return configs | maps[world.RELEASE, "sentinel-rules"] | maps[world.RELEASE, "sentinel-route"]


def write() -> None:
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.iterdir():
        old.unlink()
    for name, content in files().items():
        (FOLDER / name).write_text(content)


if __name__ == "__main__":
    write()
