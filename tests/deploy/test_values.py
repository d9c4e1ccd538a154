"""Wrong values are refused with a sentence: where, what was found, what to do."""

from typing import Any

import pytest

from tests.deploy import chart


def tenant(**more: Any) -> chart.Object:
    return {"name": "team-1", "namespaces": ["team-1"]} | more


def exception(source: str = "team-1", target: str = "team-2") -> chart.Object:
    wanted = {"verbs": ["get"], "resources": ["configmaps"], "reason": "a reason", "owner": "somebody"}
    return {"from": source, "to": target} | wanted


PRIVATE = "-----BEGIN PRIVATE KEY-----\nnone\n-----END PRIVATE KEY-----\n"

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
    "a gateway's Secret in another folder": (
        {"gatewaySecrets": [{"name": "../x", "secret": "k"}]},
        "at '/gatewaySecrets/0/name'",
    ),
    "an objective that no window could miss 14 times": ({"gatewayObjective": 0.9}, "at '/gatewayObjective'"),
    "an objective without a budget": ({"gatewayObjective": 1}, "at '/gatewayObjective'"),
    "another kind": ({"kind": "StatefulSet"}, "value must be one of 'Deployment', 'DaemonSet'"),
    "a token that is neither": (
        {"tenants": [tenant(identities=[{"name": "x", "token": "own"}])]},
        "/identities/0/token",
    ),
    "no cluster": ({"cluster": ""}, "cluster: empty. Give this cluster a name"),
    "no tenants": ({"tenants": []}, "tenants: empty. List every tenant"),
    "no image": ({"image": {}}, "image.repository: empty. No image is published"),
    "one pod per node": ({"kind": "DaemonSet"}, "kind: DaemonSet is for the network"),
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
    "a tenant called like the witness": (
        {"tenants": [tenant(name="witness")]},
        'tenants[0].name: "witness" means something else',
    ),
    "an account with two slashes": ({"tenants": [tenant(accounts=["a/b/c"])]}, "at '/tenants/0/accounts/0'"),
    "a group with a quote": ({"tenants": [tenant(groups=['a"b'])]}, "at '/tenants/0/groups/0'"),
    "an account of somebody else": (
        {"tenants": [tenant(accounts=["default", "kube-system/default"])]},
        'tenants[0].accounts[1]: "kube-system/default" is in no namespace of tenant "team-1"',
    ),
    "the sentinel's own account": (
        {"tenants": [tenant(accounts=["sentinel"])]},
        'tenants[0].accounts[0]: "sentinel" is the sentinel\'s own',
    ),
    "an account in two spellings": (
        {"tenants": [tenant(accounts=["default", "team-1/default"])]},
        'tenants[0].accounts[1]: "team-1/default" is listed already',
    ),
    "an identity the witness would call otherwise": (
        {
            "tenants": [tenant(identities=[{"name": "ci", "token": "request", "serviceAccount": "builder"}])],
            "witness": {"tls": chart.TLS},
        },
        'tenants[0].identities[0]: "ci" asks as the account "builder". The witness asks as that account too',
    ),
    "two ways to push": (
        {"paging": {"direct": True}, "alertmanagers": ["http://a"], "witness": {"tls": chart.TLS}},
        "paging.direct and witness.enabled contradict each other",
    ),
    "a relay of one's own": ({"config": {"paging": {"relay": "https://x"}}}, "additional properties 'relay'"),
    "hidden names without a witness": ({"disclosure": "opaque"}, "disclosure: opaque needs the witness"),
    "another disclosure": ({"disclosure": "some"}, "at '/disclosure'"),
    "a salt that can be guessed": ({"disclosureSalt": "short"}, "at '/disclosureSalt'"),
    "a certificate without its authority": (
        {"witness": {"tls": {"secret": "its-tls"}}},
        'witness.tls.secret: "its-tls", but witness.tls.ca is empty',
    ),
    "an authority without its certificate": (
        {"witness": {"tls": {"ca": chart.TLS["ca"]}}},
        "witness.tls.ca is given, but witness.tls.secret is empty",
    ),
    "an authority that is none": (
        {"witness": {"tls": {"secret": "its-tls", "ca": "/etc/ca.pem"}}},
        "witness.tls.ca: not a certificate in PEM",
    ),
    "an authority's key": (
        {"witness": {"tls": {"secret": "x", "ca": chart.TLS["ca"] + PRIVATE + chart.TLS["ca"]}}},
        "witness.tls.ca: there is a private key in it",
    ),
    "no share for the witness": ({"witness": {"share": 0}}, "at '/witness/share'"),
    "everything for the witness": ({"witness": {"share": 1}}, "at '/witness/share'"),
    "a port that takes a capability": ({"witness": {"relay": {"port": 443}}}, "at '/witness/relay/port'"),
    "a port that is taken": (
        {"witness": {"tls": chart.TLS, "relay": {"port": 8081}}},
        "witness.relay.port: 8081 is that of config.web already",
    ),
    "a misspelt key of the witness": ({"witness": {"replicas": 2}}, "additional properties 'replicas'"),
    "an exception for nobody": (
        {"config": {"isolation": {"allow": [exception(source="team-9")]}}},
        'config.isolation.allow[0].from: "team-9" is no tenant',
    ),
    "an exception for nowhere": (
        {"config": {"isolation": {"allow": [exception(), exception(target="team-9")]}}},
        'config.isolation.allow[1].to: "team-9" is no namespace of a tenant',
    ),
    "an exception without a reason": (
        {"config": {"isolation": {"allow": [{"from": "*", "to": "*", "verbs": ["get"], "resources": ["pods"]}]}}},
        "missing properties 'reason', 'owner'",
    ),
    "an exception until some day": (
        {"config": {"isolation": {"allow": [exception() | {"until": "next year"}]}}},
        "at '/config/isolation/allow/0/until'",
    ),
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
