"""Who may speak at the relay, and of what, as the witness's file says."""

import pytest
import yaml

from sentinel.core.api import resources
from sentinel.core.asked import CROSSTALK
from sentinel.core.net import crossing
from sentinel.joins.relaying import doors_of
from sentinel.settings import load

TENANTS = [
    {"name": "team-a", "namespaces": ["team-a", "team-a-jobs"]},
    {"name": "team-b", "namespaces": ["b-home", "b-jobs"]},
]
FILE = {
    "cluster": "prod",
    "tenants": TENANTS,
    "isolation": {"system": ["kube-system"], "witness_share": 0.25},
    "relay": {},
}


@pytest.fixture
def doors(tmp_path):
    def read(**changes):
        file = tmp_path / "witness.yaml"
        file.write_text(yaml.safe_dump(FILE | changes))
        return doors_of(load(file, {}))

    return read


def test_each_tenant_speaks_with_the_account_in_its_first_namespace(doors):
    assert {user: door.name for user, door in doors().items()} == {
        "system:serviceaccount:team-a:sentinel": "team-a",
        "system:serviceaccount:b-home:sentinel": "team-b",
    }


def test_of_all_that_its_sentinel_asks_about_and_not_of_itself(doors):
    door = doors()["system:serviceaccount:team-a:sentinel"]

    assert door.expected.targets == {"b-home", "b-jobs", "kube-system", "*"}
    assert door.expected.checks == {*resources.CHECKS, *crossing.CHECKS, CROSSTALK}


def test_where_tenants_may_not_know_each_other_a_guess_is_not_confirmed(doors):
    door = doors(disclosure="opaque")["system:serviceaccount:team-a:sentinel"]

    assert door.expected.targets == {"kube-system", "*"}
