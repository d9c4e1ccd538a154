"""A good configuration: what it means, where it may come from, and who we are in it."""

from __future__ import annotations

import zlib
from datetime import date, timedelta
from pathlib import Path

import pydantic
import pytest

from sentinel import errors, settings
from sentinel.settings import show
from tests.settings.conftest import GOOD, Refusal


@pytest.fixture
def file() -> Path:
    path = Path("s.yaml")
    path.write_text(GOOD)
    return path


def test_what_is_not_written_is_as_the_design_has_it(file: Path) -> None:
    loaded = settings.load(file, {})

    isolation = loaded.isolation
    assert (isolation.every, isolation.within, isolation.sweep) == (
        timedelta(seconds=10),
        timedelta(seconds=120),
        timedelta(minutes=30),
    )
    assert (isolation.timeout, isolation.qps, isolation.allow) == (timedelta(seconds=4), 100.0, ())
    assert isolation.release == "sentinel-system"
    assert isolation.system == ("kube-system", "sentinel-system")
    assert [identity.name for identity in loaded.identities] == ["self", "anonymous"]
    assert (loaded.paging.promise, loaded.paging.mode, loaded.paging.direct) == (timedelta(minutes=5), "page", ())
    assert (str(loaded.web.listen), str(loaded.web.console)) == ("0.0.0.0:8080", "127.0.0.1:8081")
    assert (loaded.journal.path, loaded.journal.keep) == (None, timedelta(days=7))
    assert (loaded.log.level, loaded.log.format) == ("info", "json")


def test_settings_cannot_be_changed(file: Path) -> None:
    loaded = settings.load(file, {})

    with pytest.raises(pydantic.ValidationError):
        loaded.isolation.qps = 1.0


def test_everybody_else_is_a_target_and_we_are_not(file: Path) -> None:
    loaded = settings.load(file, {})

    assert loaded.targets == ("team-b", "team-b-jobs", "kube-system", "sentinel-system")
    assert (loaded.own.name, loaded.home) == ("team-a", "team-a")


@pytest.mark.parametrize(
    ("identity", "user"),
    [
        ("self", "system:serviceaccount:team-b:sentinel"),
        ("anonymous", "system:anonymous"),
        ("file", "system:serviceaccount:team-b:file"),
        ("ci", "system:serviceaccount:team-b:builder"),
        ("person", "jane@example.org"),
    ],
)
def test_each_identity_is_expected_to_be_somebody_in_our_first_namespace(identity: str, user: str) -> None:
    further = (
        "identities:\n- {name: self, token: own}\n- {name: anonymous, token: none}\n- {name: file, token: {file: /t}}\n"
        "- {name: ci, token: request, serviceAccount: builder}\n"
        "- {name: person, token: {file: /p}, expect: jane@example.org}\n"
    )
    Path("s.yaml").write_text(GOOD.replace("tenant: team-a", "tenant: team-b") + further)

    assert settings.load(Path("s.yaml"), {}).expected_user(identity) == user


@pytest.mark.parametrize(("namespace", "tenant"), [("team-a", "team-a"), ("team-b-jobs\n", "team-b")])
def test_in_a_pod_we_are_the_tenant_that_owns_our_namespace(tmp_path: Path, namespace: str, tenant: str) -> None:
    (tmp_path / "namespace").write_text(namespace)
    Path("s.yaml").write_text(GOOD.replace("tenant: team-a\n", ""))

    loaded = settings.load(Path("s.yaml"), {"SENTINEL_SERVICE_ACCOUNT_DIR": str(tmp_path)})

    assert loaded.tenant == tenant


def test_in_a_pod_of_no_tenant_we_are_nobody(tmp_path: Path, problems_of: Refusal) -> None:
    (tmp_path / "namespace").write_text("infra")

    said = problems_of(GOOD.replace("tenant: team-a\n", ""), {"SENTINEL_SERVICE_ACCOUNT_DIR": str(tmp_path)})

    assert said == [
        (
            "s.yaml:1: tenant: found the namespace infra, which is no tenant's, expected the name of one of tenants"
            " (it may be left out only in a pod in a tenant's namespace)"
        )
    ]


@pytest.mark.parametrize(
    ("variable", "text", "key", "value"),
    [
        ("SENTINEL__ISOLATION__EVERY", "5s", "isolation.every", timedelta(seconds=5)),
        ("SENTINEL__ISOLATION__QPS", "7.5", "isolation.qps", 7.5),
        ("SENTINEL__ISOLATION__SYSTEM", '["infra"]', "isolation.system", ("infra",)),
        ("SENTINEL__ISOLATION__SYSTEM", "[]", "isolation.system", ()),
        ("SENTINEL__CLUSTER", "123", "cluster", "123"),
        ("SENTINEL__CLUSTER", "on", "cluster", "on"),
        ("sentinel__web__readyz_always_200", "true", "web.readyz_always_200", True),
        ("SENTINEL__WEB__LISTEN", "[::]:80", "web.listen", ("::", 80)),
        ("SENTINEL__NETWORK__BEACON__PORT", "99", "network.beacon.port", 99),
        ("SENTINEL__JOURNAL", "{path: /j, keep: 1d}", "journal.path", Path("/j")),
        ("SENTINEL__LOG__LEVEL", "debug", "log.level", "debug"),
    ],
)
def test_a_variable_overrides_the_key_of_its_name(
    file: Path, variable: str, text: str, key: str, value: object
) -> None:
    file.write_text(GOOD + "log: {level: error}\n")

    found: object = settings.load(file, {variable: text, "SENTINEL_OTHER": "x", "PATH": "/bin"})
    for name in key.split("."):
        found = getattr(found, name)

    assert found == value


@pytest.mark.parametrize(
    ("variable", "text", "said"),
    [
        ("SENTINEL__ISOLATION__EVERY", "5", ("isolation.every: found 5, expected a duration such as 10s, 5m or 500ms"
         " (units, largest first: d h m s ms)")),
        ("SENTINEL__ISOLATION__SYSTEM", "infra", "isolation.system: found infra, expected a list"),
        ("SENTINEL__ISOLATION__SYSTEM", "[In]", ("isolation.system[0]: found In, expected the name of a namespace"
         " (lower-case letters, digits and '-', at most 63)")),
        ("SENTINEL__ISOLATION__SYSTEM", "[", ("isolation.system: found expected the node content,"
         " but found '<stream end>', expected YAML")),
        ("SENTINEL__ISOLATION__EVERY", "", "isolation.every: found nothing, expected a duration such as 10s, 5m or 500ms"),
        ("SENTINEL__TENANTS__NAME", "x", ("tenants.name: found a key that does not exist, expected the names of"
         " keys joined by __ (lists are given whole: SENTINEL__ISOLATION__SYSTEM='[kube-system, infra]')")),
        ("SENTINEL__CLUSTER", "a\nb", ("cluster: found a\\x0ab, expected the name of the cluster"
         " (letters, digits and . _ : / @ -)")),
        ("SENTINEL__ISOLATION__EVRY", "5s", ("isolation.evry: found a key that does not exist, expected the names of"
         " keys joined by __ (lists are given whole: SENTINEL__ISOLATION__SYSTEM='[kube-system, infra]')")),
        ("SENTINEL__TENANTS__0__NAME", "x", ("tenants.0.name: found a key that does not exist, expected the names of"
         " keys joined by __ (lists are given whole: SENTINEL__ISOLATION__SYSTEM='[kube-system, infra]')")),
    ],
)  # fmt: skip
def test_a_wrong_variable_is_reported_under_its_own_name(
    variable: str, text: str, said: str, problems_of: Refusal
) -> None:
    assert problems_of(GOOD, {variable: text}) == [f"{variable}: {said}"]


def test_an_override_takes_the_place_of_a_wrong_value_in_the_file(file: Path) -> None:
    file.write_text(GOOD + "isolation: {every: 10}\n")

    assert settings.load(file, {"SENTINEL__ISOLATION__EVERY": "20s"}).isolation.every == timedelta(seconds=20)


def test_the_hash_is_that_of_the_bytes_as_helm_computes_it(file: Path) -> None:
    file.write_bytes(b"Wikipedia")
    assert settings.config_hash(file) == 0x11E60398

    file.write_text(GOOD)
    assert settings.config_hash(file) == settings.examine(file, {}).hash == zlib.adler32(GOOD.encode())


def test_the_hash_is_known_even_when_the_file_is_wrong(file: Path) -> None:
    file.write_text("cluster: [")

    assert settings.examine(file, {}).hash == zlib.adler32(b"cluster: [")


def notes(text: str, today: date | None = None) -> list[str]:
    Path("s.yaml").write_text(text)
    return [str(note) for note in settings.examine(Path("s.yaml"), {}, today).notes]


def test_a_plain_configuration_needs_no_remark() -> None:
    assert notes(GOOD, date(2026, 11, 21)) == []


def test_an_exception_that_ran_out_is_noted_from_the_day_after() -> None:
    grant = "{from: team-a, to: team-b, verbs: [get], resources: [pods], reason: r, owner: o, until: 2026-11-20}"
    text = f"{GOOD}isolation:\n  allow:\n    - {grant}\n"

    assert notes(text, date(2026, 11, 20)) == []
    assert notes(text, date(2026, 11, 21)) == [
        "s.yaml:8: isolation.allow[0].until: ran out on 2026-11-20: what it allowed is a breach again",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("network: {every: 5s}", "s.yaml:6: network: nothing is asked over the network, since network.enabled is false"),
        ("paging: {mode: shadow}",
         "s.yaml:6: paging.mode: in shadow every alert has severity none: nobody is paged"),
        ("paging: {direct: ['http://am:9093']}",
         ("s.yaml:6: paging.direct: every tenant can reach these Alertmanagers, and so can whoever edits its pods:"
         " they can silence and invent pages. Only for clusters whose tenants are trusted")),
        ("identities: [{name: self, token: own}]",
         "s.yaml:6: identities: no anonymous: nobody asks whether everybody may read"),
        ("isolation: {system: [sentinel-system]}",
         "s.yaml:6: isolation.system: without kube-system, nobody asks whether its secrets can be read"),
        ("isolation: {system: [kube-system]}",
         "s.yaml:6: isolation.system: without sentinel-system, nobody asks whether its secrets can be read"),
    ],
)  # fmt: skip
def test_what_is_allowed_and_surprising_is_noted(text: str, said: str) -> None:
    assert notes(f"{GOOD}{text}\n") == [said]


def test_what_is_shown_is_a_configuration_that_means_the_same(file: Path) -> None:
    loaded = settings.load(file, {"SENTINEL__WEB__LISTEN": "[::1]:9", "SENTINEL__ISOLATION__WITHIN": "1m30s"})

    file.write_text(show.show(loaded))

    assert settings.load(file, {}) == loaded


def test_the_schema_knows_every_key_with_its_default_and_its_reason() -> None:
    schema = show.schema()

    assert schema["required"] == ["cluster", "tenants"]
    every = schema["$defs"]["Isolation"]["properties"]["every"]
    assert every["default"] == "10s"
    assert every["description"].startswith("One round: the trip-wire of each target.")
    for definition in [schema, *schema["$defs"].values()]:
        assert definition["additionalProperties"] is False
        assert all(field["description"] for field in definition["properties"].values()), definition["title"]


def test_errors_say_where_in_one_line() -> None:
    problem = errors.Problem("config/sentinel.yaml", 12, "isolation.every", "10", "a duration such as 10s, 5m or 500ms")

    assert str(problem) == (
        "config/sentinel.yaml:12: isolation.every: found 10, expected a duration such as 10s, 5m or 500ms"
    )
