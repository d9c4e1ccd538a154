"""The sentinel.yaml that the chart renders is one that the daemon takes, and is what the values asked for."""

import json
import re
import tarfile
import zlib
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sentinel import __version__
from sentinel.settings import Isolation, Paging, Settings, examine, load
from tests.deploy import chart


def loaded(objects: list[chart.Object], namespace: str, folder: Path) -> Settings:
    file = folder / "sentinel.yaml"
    file.write_text(chart.configuration(objects, namespace))
    return load(file, {})


def test_it_is_a_configuration_the_daemon_takes(tmp_path: Path) -> None:
    chosen = chart.values(5)
    chosen["tenants"][0] |= {"owner": "Payments", "contact": "#payments-oncall"}

    settings = loaded(chart.render(chosen), "team-2", tmp_path)

    assert (settings.cluster, settings.tenant) == ("tests", "team-2")
    assert [tenant.name for tenant in settings.tenants] == [f"team-{n}" for n in range(1, 6)]
    assert settings.tenants[1].namespaces == ("team-2", "team-2-jobs")
    assert settings.isolation.system == ("kube-system", "sentinel-system")


def test_owners_are_told_to_themselves_and_to_those_who_push(tmp_path: Path) -> None:
    chosen = chart.values(2, alertmanagers=["http://am:9093"])
    chosen["tenants"][0] |= {"owner": "Payments", "contact": "#payments-oncall"}

    def contacts(home: str, **more: Any) -> list[str | None]:
        return [tenant.contact for tenant in loaded(chart.render(chosen | more), home, tmp_path).tenants]

    assert contacts("team-1") == ["#payments-oncall", None]
    assert contacts("team-2") == [None, None]
    assert contacts("team-2", paging={"direct": True}) == ["#payments-oncall", None]


def test_names_that_look_like_something_else_stay_names(tmp_path: Path) -> None:
    chosen = chart.values(1)
    chosen["tenants"].append({"name": "true", "namespaces": ["123", "0x1f", "null"]})

    settings = loaded(chart.render(chosen), "team-1", tmp_path)

    assert (settings.tenants[1].name, settings.tenants[1].namespaces) == ("true", ("123", "0x1f", "null"))


def test_the_defaults_it_writes_down_are_the_daemons_own(tmp_path: Path) -> None:
    settings = loaded(chart.render(chart.values(1)), "team-1", tmp_path)

    assert settings.isolation == Isolation()
    assert settings.paging == Paging()
    assert [identity.name for identity in settings.identities] == ["self", "anonymous"]


def test_another_release_namespace_is_a_target_of_everybody_too(tmp_path: Path) -> None:
    objects = chart.render(chart.values(1), namespace="guard")

    isolation = loaded(objects, "team-1", tmp_path).isolation
    assert isolation.system == ("kube-system", "guard")
    assert isolation.release == "guard"
    assert chart.one(objects, "Role", "sentinel-door", "guard")


def test_the_daemon_expects_the_accounts_that_the_chart_binds(tmp_path: Path) -> None:
    chosen = chart.values(1)
    token = {"file": "/var/run/secrets/robot/token"}
    chosen["tenants"][0]["identities"] = [
        {"name": "ci", "token": "request", "serviceAccount": "builder"},
        {"name": "robot", "token": token},
        {"name": "other", "token": token, "serviceAccount": "stranger"},
    ]

    objects = chart.render(chosen)

    settings = loaded(objects, "team-1", tmp_path)
    users = {identity.user("team-1") for identity in settings.identities} - {"system:anonymous"}
    bound = chart.subjects(chart.one(objects, "RoleBinding", "sentinel", "team-1"))
    assert users == {"system:serviceaccount:" + account.replace("/", ":") for account in bound}


@pytest.mark.parametrize("scale", [1, 0.25])
def test_the_hash_is_that_of_the_file_as_it_is_mounted(scale: float, tmp_path: Path) -> None:
    folder = with_rules(
        tmp_path,
        '{{ range .Values.tenants }}- {record: "h{{ include "sentinel.configHash" '
        '(dict "root" $ "tenant" .) }}", expr: "1"}\n      {{ end }}',
    )

    objects = chart.render(chart.values(2, timeScale=scale), chart=folder)

    recorded = [
        rule["record"] for rule in chart.one(objects, "PrometheusRule", "sentinel-x")["spec"]["groups"][0]["rules"]
    ]
    hashes = [zlib.adler32(chart.configuration(objects, home).encode()) for home in ("team-1", "team-2")]
    assert recorded == [f"h{value}" for value in hashes]


def with_rules(folder: Path, rules: str) -> Path:
    """The chart as packaged and unpacked, with one rule file in place of ours."""
    chart.helm("package", str(chart.CHART), "--destination", str(folder))
    (package,) = folder.glob("*.tgz")
    with tarfile.open(package) as content:
        content.extractall(folder, filter="data")
    unpacked = folder / "tenant-sentinel"
    for old in (unpacked / "alerts").glob("*.rules.yaml"):
        old.unlink()
    (unpacked / "alerts" / "x.rules.yaml").write_text(f"groups:\n  - name: x\n    rules:\n      {rules}\n")
    return unpacked


def test_the_timers_shrink_with_the_scale_and_nothing_else_does(tmp_path: Path) -> None:
    chosen = chart.values(1, timeScale=0.05, config={"isolation": {"qps": 50}})

    settings = loaded(chart.render(chosen), "team-1", tmp_path)

    isolation = settings.isolation
    assert isolation.every == timedelta(milliseconds=500)
    assert isolation.within == timedelta(seconds=6)
    assert isolation.sweep == timedelta(seconds=90)
    assert isolation.discovery == timedelta(seconds=3)
    assert settings.paging.promise == timedelta(seconds=15)
    assert isolation.qps == 50


@pytest.mark.parametrize(("scale", "timeout"), [(1, "4s"), (0.9, "4s"), (0.1, "800ms"), (0.05, "400ms")])
def test_a_timeout_shrinks_only_where_it_would_not_fit_any_more(scale: float, timeout: str) -> None:
    text = chart.configuration(chart.render(chart.values(1, timeScale=scale)), "team-1")

    assert f"timeout: {timeout}" in text


@pytest.mark.parametrize(
    ("written", "halved"), [("1h30m", "2700s"), ("1.5s", "750ms"), ("500ms", "250ms"), ("10s", "5s"), ("1d", "43200s")]
)
def test_every_way_to_write_a_duration_is_scaled(written: str, halved: str) -> None:
    chosen = chart.values(1, timeScale=0.5, config={"isolation": {"sweep": written}})

    assert f"sweep: {halved}" in chart.configuration(chart.render(chosen), "team-1")


def test_what_the_values_say_of_the_configuration_wins(tmp_path: Path) -> None:
    config = {"isolation": {"every": "7s", "system": ["kube-system"]}, "log": {"level": "debug"}}

    objects = chart.render(chart.values(1, config=config))

    settings = loaded(objects, "team-1", tmp_path)
    assert settings.isolation.every == timedelta(seconds=7)
    assert settings.isolation.within == timedelta(seconds=120)
    assert settings.isolation.system == ("kube-system",)
    assert settings.log.level == "debug"
    assert not [
        f for f in chart.of_kind(objects, "Role", "sentinel-door") if f["metadata"]["namespace"] == "sentinel-system"
    ]


def test_the_chart_knows_every_key_that_the_daemon_knows() -> None:
    ours: dict[str, Any] = json.loads((chart.CHART / "values.schema.json").read_text())["properties"]["config"][
        "properties"
    ]
    written_by_the_chart = {
        "cluster",
        "tenant",
        "tenants",
        "identities",
        "kubernetes",
        "disclosure",
        "relay",
        "alerting",
    }
    written_by_the_chart |= {"direct", "release", "witness_share", "lease", "relay_token", "relay_ca"}
    written_by_the_chart |= {"drill", "heartbeat"}

    assert set(ours) == set(Settings.model_fields) - written_by_the_chart
    for name, section in ours.items():
        if keys := section.get("properties"):
            theirs = Settings.model_fields[name].annotation.model_fields  # type: ignore[union-attr]
            assert set(keys) == set(theirs) - written_by_the_chart, name


def test_the_chart_and_the_daemon_have_one_version() -> None:
    text = (chart.CHART / "Chart.yaml").read_text()

    assert f'appVersion: "{__version__}"' in text
    assert re.search(rf"^version: {re.escape(__version__)}$", text, re.MULTILINE)


def test_a_wrong_file_is_still_refused_by_the_daemon(tmp_path: Path) -> None:
    text = chart.configuration(chart.render(chart.values(1)), "team-1")
    (tmp_path / "sentinel.yaml").write_text(text.replace("tenant: team-1", "tenant: nobody"))

    assert examine(tmp_path / "sentinel.yaml", {}).problems
