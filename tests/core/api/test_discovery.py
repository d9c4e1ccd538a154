"""What is served, as the API server's documents say it, and what is kept of a group that does not answer."""

# A None where a value belongs fails the test as well as any assertion would.
# mypy: disable-error-code="union-attr, arg-type, list-item"

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.core.api.discovery import Catalog, listed, parse


def document(*groups):
    return json.dumps(
        {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "items": groups}
    ).encode()


def group(name, *versions):
    rows = [
        {"version": version, "freshness": fresh, "resources": [resource(*row.split()) for row in types]}
        for version, fresh, types in versions
    ]
    return {"metadata": {"name": name} if name else {}, "versions": rows}


def resource(name, scope="Namespaced", verbs="get,list"):
    return {"resource": name, "scope": scope, "verbs": verbs.split(",")}


OWN = group("apps", ("v1", "Current", ["deployments"]))
SHOP = group(
    "shop.example.com", ("v2", "Current", ["carts", "tills Cluster"]), ("v1", "Current", ["carts", "receipts"])
)
METAL = group("metal.example.com", ("v1", "Current", ["gizmos"]))
METAL_AWAY = group("metal.example.com", ("v1", "Stale", []))


def test_what_is_installed_is_what_the_api_server_does_not_serve_itself():
    found = parse(document(OWN, SHOP))

    assert [(row.label, row.version, row.namespaced, row.check) for row in found.installed] == [
        ("carts.shop.example.com", "v2", True, "api/custom"),
        ("receipts.shop.example.com", "v1", True, "api/custom"),
        ("tills.shop.example.com", "v2", False, "api/custom"),
    ]
    assert "deployments.apps" in found.types


def test_a_definition_in_a_group_of_kubernetes_sigs_is_installed_too():
    found = parse(document(group("gateway.networking.k8s.io", ("v1", "Current", ["gateways"]))))

    assert [row.label for row in found.installed] == ["gateways.gateway.networking.k8s.io"]


def test_what_nobody_can_read_is_no_question():
    found = parse(document(group("shop.example.com", ("v1", "Current", ["orders Namespaced create", "carts"]))))

    assert [row.plural for row in found.installed] == ["carts"]
    assert "orders.shop.example.com" in found.types


def test_a_backend_that_is_away_takes_no_type_with_it_and_hides_no_other_group():
    before = parse(document(METAL, SHOP))

    now = parse(document(METAL_AWAY, SHOP)).after(before, 2.0)

    assert now.installed == before.installed
    assert (now.stale, now.unknown, now.read) == ({"metal.example.com"}, frozenset(), 2.0)


def test_a_backend_that_was_never_there_is_unknown_and_not_nothing():
    found = parse(document(METAL_AWAY)).after(Catalog(), 1.0)

    assert found.unknown == {"metal.example.com"}
    assert found.installed == ()


def test_a_definition_that_was_removed_is_gone_at_once():
    before = parse(document(METAL, SHOP))

    assert [row.group for row in parse(document(METAL)).after(before, 2.0).installed] == ["metal.example.com"]


def test_the_older_form_says_the_same():
    rows = [{"name": "carts", "namespaced": True, "verbs": ["get"]}, {"name": "carts/status", "verbs": ["get"]}]

    found = listed("shop.example.com", "v2", [*rows, {"name": "orders", "namespaced": True, "verbs": ["create"]}])

    assert [(row.label, row.version) for row in found.installed] == [("carts.shop.example.com", "v2")]


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[]", b'{"kind": "APIGroupList", "groups": []}', b'{"kind": "APIGroupDiscoveryList"}',
     b'{"kind": "APIGroupDiscoveryList", "items": [3]}', b"[" * 100_000],
)  # fmt: skip
def test_what_is_no_discovery_is_none(body):
    assert parse(body) is None


@given(
    st.recursive(
        st.none() | st.text(max_size=3) | st.integers(),
        lambda x: (
            st.lists(x, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["metadata", "name", "versions", "version", "resources", "resource", "freshness", "verbs"]
                ),
                x,
            )
        ),
        max_leaves=12,
    )
)
def test_no_document_is_worse_than_none(items):
    parse(json.dumps({"kind": "APIGroupDiscoveryList", "items": items}).encode())
