"""The files as a user has them: loadable one by one, secrets in files only, every template there and used."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from sentinel.core.paging import alertmanager
from tests import parts
from tests.receivers.desk import ALERTS, KINDS, fragment, merged, placed

TEMPLATES = {path.name: path.read_text() for path in sorted((ALERTS / "templates").glob("*.tmpl"))}
RECEIVERS = {path.stem: path.read_text() for path in sorted((ALERTS / "receivers").glob("*.yaml"))}
_MADE = re.compile(r'\{\{-? *define "([^"]+)"')
_USED = re.compile(r'template "(sentinel\.[^"]+)"')
_OF_025 = {"toUpper", "toLower", "title", "join", "match", "safeHtml", "reReplaceAll", "stringSlice"}
"""What Alertmanager 0.25 adds to Go's own functions (its template/template.go)."""
_OF_GO = {"and", "eq", "gt", "index", "len", "lt", "ne", "not", "or", "printf", "urlquery"}
_WORDS = {"block", "define", "else", "end", "if", "range", "template", "with"}


def test_the_listing_is_the_list_of_receivers() -> None:
    assert set(RECEIVERS) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_merged_with_the_route_alertmanager_accepts_each(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "alertmanager.yml"
    path.write_text(yaml.safe_dump(placed(merged(kind, scale=1), tmp_path)))

    ended = subprocess.run([parts.find("amtool"), "check-config", path], check=False, capture_output=True, text=True)

    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_no_secret_stands_in_the_file_and_the_end_is_always_told(kind: str) -> None:
    for receiver in fragment(kind)["receivers"]:
        for one in ways(receiver):
            assert one["send_resolved"] is True
            files = re.findall(r"/etc/alertmanager/secrets/sentinel-[a-z]+/[a-z_]+", str(one))
            assert len(files) == 1
            secret = {"api_key", "api_url", "auth_password", "password", "routing_key", "service_key", "webhook_url"}
            assert not secret & set(one)


@pytest.mark.parametrize("kind", KINDS)
def test_each_head_says_which_version_it_needs_and_how_it_is_merged(kind: str) -> None:
    head = RECEIVERS[kind].partition("receivers:")[0]

    assert re.search(r"Alertmanager 0\.\d\d or newer", head)
    assert "route.yaml" in head


@pytest.mark.parametrize("kind", KINDS)
def test_verify_alerting_sees_a_destination_where_there_is_one_and_none_where_there_is_not(kind: str) -> None:
    status = {"cluster": {}, "versionInfo": {"version": "0.34.2"}}
    seen = alertmanager.read("http://am", status, merged(kind, scale=1), []).destinations

    told = {receiver["name"] for receiver in fragment(kind)["receivers"]}
    assert {name for name, ways in seen.items() if ways} == told
    assert "sentinel-nobody" in seen


def test_every_template_that_is_named_exists_and_every_one_is_named() -> None:
    made = [name for text in TEMPLATES.values() for name in _MADE.findall(text)]
    used = {name for text in (*TEMPLATES.values(), *RECEIVERS.values()) for name in _USED.findall(text)}

    assert len(made) == len(set(made))
    assert set(made) == used


def test_only_functions_that_old_alertmanagers_have_are_used() -> None:
    for name, text in TEMPLATES.items():
        bare = re.sub(r"\{\{-? /\*.*?\*/ -?\}\}|\"(?:\\.|[^\"\\])*\"", "", text, flags=re.DOTALL)
        words = {
            word
            for action in re.findall(r"\{\{(.*?)\}\}", bare)
            for word in re.findall(r"(?<![.$\w])[a-zA-Z]+", action)
        }
        assert words <= _OF_025 | _OF_GO | _WORDS, name


def ways(receiver: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for key, value in receiver.items() if key.endswith("_configs") for one in value]


def test_what_readme_shows_is_accepted_and_every_kind_is_in_it(tmp_path: Path) -> None:
    section = (ALERTS.parent / "README.md").read_text().partition("## Who is paged, and where")[2].partition("\n## ")[0]
    shown = yaml.safe_load(section.partition("```yaml")[2].partition("```")[0])
    path = tmp_path / "alertmanager.yml"
    path.write_text(yaml.safe_dump(placed({**shown, "route": {"receiver": "sentinel-page"}}, tmp_path)))

    ended = subprocess.run([parts.find("amtool"), "check-config", path], check=False, capture_output=True, text=True)

    assert ended.returncode == 0, ended.stderr
    kinds = {key for receiver in shown["receivers"] for key in receiver if key != "name"}
    assert kinds == {key for kind in KINDS for one in fragment(kind)["receivers"] for key in one if key != "name"}
