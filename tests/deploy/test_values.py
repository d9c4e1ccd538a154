"""Wrong values are refused with a sentence: where, what was found, what to do."""

from typing import Any

import pytest

from tests.deploy import chart


def tenant(**more: Any) -> chart.Object:
    return {"name": "team-1", "namespaces": ["team-1"]} | more


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a misspelt key": ({"tenant": []}, "additional properties 'tenant' not allowed"),
    "a misspelt key of a tenant": (
        {"tenants": [tenant(namespace="x")]},
        "additional properties 'namespace' not allowed",
    ),
    "a misspelt key of the configuration": (
        {"config": {"isolation": {"evry": "5s"}}},
        "at '/config/isolation': additional properties 'evry' not allowed",
    ),
    "what the chart writes itself": ({"config": {"tenants": []}}, "at '/config': additional properties 'tenants'"),
    "the other way to push": ({"config": {"paging": {"direct": ["http://a"]}}}, "additional properties 'direct'"),
    "a tenant without namespaces": ({"tenants": [tenant(namespaces=[])]}, "at '/tenants/0/namespaces': minItems"),
    "a namespace that cannot be": ({"tenants": [tenant(namespaces=["Team_1"])]}, "at '/tenants/0/namespaces/0'"),
    "a duration without unit": ({"config": {"isolation": {"every": 10}}}, "at '/config/isolation/every'"),
    "a duration with a blank": ({"config": {"isolation": {"every": "10 s"}}}, "at '/config/isolation/every'"),
    "an address without scheme": ({"alertmanagers": ["alertmanager:9093"]}, "at '/alertmanagers/0'"),
    "another kind": ({"kind": "StatefulSet"}, "value must be one of 'Deployment', 'DaemonSet'"),
    "a token that is neither": (
        {"tenants": [tenant(identities=[{"name": "x", "token": "own"}])]},
        "/identities/0/token",
    ),
    "no cluster": ({"cluster": ""}, "cluster: empty. Give this cluster a name"),
    "no tenants": ({"tenants": []}, "tenants: empty. List every tenant"),
    "no image": ({"image": {}}, "image.repository: empty. No image is published"),
    "one pod per node": ({"kind": "DaemonSet"}, "kind: DaemonSet is not possible yet"),
    "a push to nowhere": ({"paging": {"direct": True}}, "paging.direct: true, but alertmanagers is empty"),
    "a push through a closed door": (
        {"paging": {"direct": True}, "alertmanagers": ["http://a"], "networkPolicy": {"enabled": True}},
        "paging.direct and networkPolicy.enabled contradict each other",
    ),
    "a tenant twice": ({"tenants": [tenant(), tenant(namespaces=["x"])]}, 'tenants[1].name: "team-1" is listed twice'),
    "a namespace of two": (
        {"tenants": [tenant(), tenant(name="team-2")]},
        'tenants[1].namespaces: "team-1" belongs to tenant "team-1" already',
    ),
    "the release's namespace": ({"tenants": [tenant(namespaces=["sentinel-system"])]}, "which no tenant may hold"),
    "a namespace of the system": (
        {"tenants": [tenant()], "config": {"isolation": {"system": ["team-1"]}}},
        "which no tenant may hold",
    ),
    "a namespace of Kubernetes": ({"tenants": [tenant(namespaces=["kube-public"])]}, "is Kubernetes' own"),
    "an identity called self": (
        {"tenants": [tenant(identities=[{"name": "self", "token": "request"}])]},
        '"self" is taken',
    ),
    "an account twice": (
        {"tenants": [tenant(identities=[{"name": "x", "token": "request", "serviceAccount": "sentinel"}])]},
        'the account "sentinel" is that of identity "self" already',
    ),
    "a secret for a requested token": (
        {"tenants": [tenant(identities=[{"name": "x", "token": "request", "secret": "its-token"}])]},
        "the token is requested, not read from a file",
    ),
    "a scale of nothing": ({"timeScale": 0}, "at '/timeScale'"),
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_values_are_refused_with_where_and_why(what: str) -> None:
    wrong, said = WRONG[what]

    assert said in chart.refusal(chart.values(2, **wrong))


def test_lint_finds_nothing_to_say() -> None:
    example = chart.CHART / "ci" / "two-tenants-values.yaml"

    said = chart.helm("lint", "--strict", str(chart.CHART), "--values", str(example))

    assert "0 chart(s) failed" in said
    assert "[WARNING]" not in said


def test_every_value_has_a_reason_written_under_it() -> None:
    lines = (chart.CHART / "values.yaml").read_text().splitlines()

    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        is_leaf = line.strip() and not line.lstrip().startswith("#") and not line.endswith(":")
        if is_leaf:
            assert following.lstrip().startswith("#"), f"no reason under: {line}"
