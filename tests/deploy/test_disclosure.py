"""`disclosure: opaque`: what is in a tenant's namespace tells nothing of the others, and the witness knows them all."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from sentinel.settings import load
from tests.deploy import chart

TENANTS: dict[str, dict[str, Any]] = {
    "payments": {
        "namespaces": ["prod-pay", "batch-pay"],
        "owner": "The Payers",
        "contact": "#money",
        "accounts": ["default", "batch-pay/nightly"],
        "groups": ["oidc:cashiers"],
    },
    "search": {"namespaces": ["finder"], "owner": "Seekers", "contact": "#lost-and-found"},
    "ledger": {"namespaces": ["bookkeeping"], "owner": "Accounting", "contact": "#beans"},
}
SALT = "a-salt-that-is-long-enough"


def exception(source: str, target: str) -> chart.Object:
    wanted = {"verbs": ["get"], "resources": ["configmaps"], "reason": "a reason", "owner": "somebody"}
    return {"from": source, "to": target} | wanted


def values(**more: Any) -> chart.Object:
    tenants = [{"name": name} | told for name, told in TENANTS.items()]
    allow = [exception("payments", "finder"), exception("*", "bookkeeping"), exception("search", "kube-system")]
    opaque = {"disclosure": "opaque", "disclosureSalt": SALT, "config": {"isolation": {"allow": allow}}}
    return chart.witnessed() | {"tenants": tenants} | opaque | more


@pytest.fixture(scope="module")
def objects() -> list[chart.Object]:
    return chart.render(values())


def words(name: str) -> set[str]:
    """Everything by which a tenant can be known."""
    told = [given for value in TENANTS[name].values() for given in ([value] if isinstance(value, str) else value)]
    return {name, *told} - {"default"}


@pytest.mark.parametrize("name", TENANTS)
def test_nothing_in_a_tenants_namespaces_tells_of_another(objects: list[chart.Object], name: str) -> None:
    theirs = [f for f in objects if f["metadata"].get("namespace") in TENANTS[name]["namespaces"]]
    text = json.dumps(theirs)

    forbidden = {word for other in TENANTS if other != name for word in words(other)}
    assert len(forbidden) >= 8
    assert {"sentinel", "sentinel-door", "sentinel-beacon"} <= {f["metadata"]["name"] for f in theirs}
    for word in forbidden:
        assert word not in text, word


def test_by_name_they_are_told_the_names_and_no_more() -> None:
    text = chart.configuration(chart.render(values(disclosure="names")), "finder")

    for word in ("payments", "prod-pay", "batch-pay", "Seekers"):
        assert word in text
    for word in ("The Payers", "#money", "nightly", "cashiers"):
        assert word not in text


def test_a_tenant_sees_how_many_there_are_and_itself(objects: list[chart.Object], tmp_path: Path) -> None:
    (tmp_path / "sentinel.yaml").write_text(chart.configuration(objects, "finder"))

    settings = load(tmp_path / "sentinel.yaml", {})

    assert settings.disclosure == "opaque"
    assert len(settings.tenants) == 3
    assert settings.own.namespaces == ("finder",)
    assert (settings.own.owner, settings.own.contact) == ("Seekers", "#lost-and-found")
    assert settings.targets == ("kube-system", "sentinel-system")
    for other in settings.tenants:
        if other is not settings.own:
            assert re.fullmatch(r"t-[0-9a-f]{8}", other.name)
            assert other.namespaces == ()


def test_what_is_asked_as_nobody_is_the_witness_alone_to_ask(objects: list[chart.Object], tmp_path: Path) -> None:
    # Sentinels share it out by the names of all tenants, which differ from file to file here.
    (tmp_path / "sentinel.yaml").write_text(chart.configuration(objects, "finder"))

    assert [identity.name for identity in load(tmp_path / "sentinel.yaml", {}).identities] == ["self"]


def test_an_id_is_the_same_for_everybody_and_at_every_rendering_and_depends_on_the_salt() -> None:
    def ids(home: str, salt: str) -> set[str]:
        text = chart.configuration(chart.render(values(disclosureSalt=salt)), home)
        return set(re.findall(r"t-[0-9a-f]{8}", text))

    assert len(ids("finder", SALT) & ids("prod-pay", SALT)) == 1
    assert ids("finder", SALT) == ids("finder", SALT)
    assert not ids("finder", SALT) & ids("finder", SALT + "!")


def test_exceptions_in_others_namespaces_are_not_told(objects: list[chart.Object], tmp_path: Path) -> None:
    def allowed(home: str) -> list[tuple[str, str]]:
        (tmp_path / "sentinel.yaml").write_text(chart.configuration(objects, home))
        return [(grant.source, grant.target) for grant in load(tmp_path / "sentinel.yaml", {}).isolation.allow]

    assert allowed("prod-pay") == []
    assert allowed("finder") == [("search", "kube-system")]


def test_the_witness_knows_everybody(objects: list[chart.Object], tmp_path: Path) -> None:
    text = chart.one(objects, "ConfigMap", "sentinel-witness", "sentinel-system")["data"]["witness.yaml"]
    (tmp_path / "witness.yaml").write_text(text)

    settings = load(tmp_path / "witness.yaml", {})

    assert settings.disclosure == "opaque"
    assert {tenant.name: list(tenant.namespaces) for tenant in settings.tenants} == {
        name: told["namespaces"] for name, told in TENANTS.items()
    }
    assert len(settings.isolation.allow) == 3


def test_a_door_in_a_tenants_namespace_names_nobody_and_gives_only_its_namespace(objects: list[chart.Object]) -> None:
    for home in ("finder", "batch-pay"):
        binding = chart.one(objects, "RoleBinding", "sentinel-door", home)
        assert binding["subjects"] == [
            {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:serviceaccounts"}
        ]
        (rule,) = chart.one(objects, "Role", "sentinel-door", home)["rules"]
        assert rule == {"apiGroups": [""], "resources": ["namespaces"], "resourceNames": [home], "verbs": ["get"]}
    door = chart.one(objects, "RoleBinding", "sentinel-door", "kube-system")
    assert "system:serviceaccounts:finder" in chart.subjects(door)


def test_a_salt_of_the_charts_own_lies_where_no_tenant_reads() -> None:
    objects = chart.render(values(disclosureSalt=""))

    assert chart.one(objects, "Secret", "sentinel-disclosure")["metadata"]["namespace"] == "sentinel-system"
    assert not chart.of_kind(chart.render(values()), "Secret", "sentinel-disclosure")
    assert not chart.of_kind(
        chart.render(values(disclosure="names", disclosureSalt="")), "Secret", "sentinel-disclosure"
    )
