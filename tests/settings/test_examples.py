"""Every configuration in the repository loads, and the reference says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from sentinel import settings
from sentinel.settings import shape, show
from sentinel.settings.model import Settings

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "config" / "sentinel.yaml"
EXAMPLES = sorted(path for path in (ROOT / "config").rglob("*.yaml") if path.parent.name != "drills")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_every_example_loads_in_a_pod_of_its_tenant(path: Path, tmp_path: Path) -> None:
    (tmp_path / "namespace").write_text("team-a")

    loaded = settings.load(path, {"SENTINEL_SERVICE_ACCOUNT_DIR": str(tmp_path)})

    assert loaded.tenant == ("" if loaded.is_witness else "team-a")


def test_the_reference_is_the_defaults_where_there_are_any() -> None:
    loaded = settings.load(REFERENCE, {})

    bare = Settings(cluster=loaded.cluster, tenant=loaded.tenant, tenants=loaded.tenants)
    assert yaml.safe_load(show.show(loaded)) == yaml.safe_load(show.show(bare))


def test_the_reference_names_every_key_except_those_of_gateways_and_checks() -> None:
    text = REFERENCE.read_text() + (ROOT / "config" / "witness.yaml").read_text()

    models = shape.every_model()
    known = [model for model in models if not re.search(r"\.(gateways|chat_page|checks)$", model.__module__)]
    missing = {key for model in known for key in shape.keys(model) if not re.search(rf"\b{key}:", text)}
    assert missing == set()


def test_what_the_reference_has_in_comments_loads_when_the_hash_is_taken_away(tmp_path: Path) -> None:
    text = re.sub(r"^( +)# ( *- |  [a-zA-Z]+:)", r"\1\2", REFERENCE.read_text(), flags=re.MULTILINE)
    path = tmp_path / "s.yaml"
    path.write_text(text.replace("  allow: []", "  allow:"))

    loaded = settings.load(path, {})

    assert [identity.name for identity in loaded.identities] == ["self", "anonymous", "billing", "ci"]
    assert loaded.isolation.allow[0].names == ("exchange-rates",)
