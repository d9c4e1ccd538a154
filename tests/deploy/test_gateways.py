"""LLM gateways as the chart gives them: in everybody's file, with keys that only those pods see that ask."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from sentinel.settings import load
from tests.deploy import chart

EXAMPLE = yaml.safe_load((chart.ROOT / "config" / "examples" / "gateway.yaml").read_text())["gateways"]
SECRETS = [{"name": "chat", "secret": "chat-key"}, {"name": "openai", "secret": "openai-key"}]


def objects(**more: Any) -> list[chart.Object]:
    browser = {"image": {"repository": "registry.example.com/tenant-sentinel-browser"}}
    return chart.render(
        chart.witnessed(2, config={"gateways": EXAMPLE}, gatewaySecrets=SECRETS, visitor=browser, **more)
    )


def test_the_example_reaches_the_tenants_and_the_witness_and_both_take_it(tmp_path: Path) -> None:
    found = objects()
    (tmp_path / "tenant.yaml").write_text(chart.configuration(found, "team-1"))
    witness = chart.one(found, "ConfigMap", "sentinel-witness")["data"]["witness.yaml"]
    (tmp_path / "witness.yaml").write_text(witness)

    tenant, witness = (load(tmp_path / f"{name}.yaml", {}).gateways for name in ("tenant", "witness"))

    assert tenant == witness
    assert [gateway.name for gateway in tenant] == ["chat"]


@pytest.mark.parametrize(("name", "namespace"), [("sentinel", "team-2"), ("sentinel-witness", chart.RELEASE)])
def test_keys_are_mounted_where_the_example_reads_them_and_a_missing_one_stops_nobody(
    name: str, namespace: str
) -> None:
    pod = chart.one(objects(), "Deployment", name, namespace)["spec"]["template"]["spec"]

    mounted = {row["mountPath"]: row for row in pod["containers"][0]["volumeMounts"]}
    volumes = {row["name"]: row for row in pod["volumes"]}
    for key in (EXAMPLE[0]["key"], EXAMPLE[0]["providers"][0]["direct"]["key"]):
        mount = mounted[str(Path(key["file"]).parent)]
        secret = volumes[mount["name"]]["secret"]
        assert mount["readOnly"]
        assert secret == {"secretName": f"{Path(mount['mountPath']).name}-key", "optional": True}


def test_a_beacon_asks_no_gateway_and_sees_no_key() -> None:
    found = objects(network={"enabled": True, "beacon": {"labels": ["app=web"]}})

    assert "chat-key" not in str(chart.one(found, "Deployment", "sentinel-beacon", "team-1"))
