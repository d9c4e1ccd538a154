"""The parts are those that the recipes name, and one that is missing says how to get it."""

import dataclasses
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests import parts
from tests.parts import __main__ as script
from tests.parts import cache
from tests.parts.find import stamp
from tests.parts.recipes import NEWEST, RECIPES, GoFiles, GoModule, NpmFiles, NpmPackage, Recipe

ROOT = Path(__file__).parents[2]
WANTED = [recipe for recipe in RECIPES if recipe.group == "tests"]
SERVERS = [recipe for recipe in WANTED if isinstance(recipe, NpmPackage)]  # which know no --version
BINARIES = [
    (name, recipe.version)
    for recipe in WANTED
    if recipe not in SERVERS and not isinstance(recipe, GoFiles | NpmFiles)
    for name in recipe.binaries
]
FILES = [name for recipe in WANTED if isinstance(recipe, GoFiles | NpmFiles) for name in recipe.files]


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TENANT_SENTINEL_PARTS", str(tmp_path))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    return tmp_path


@pytest.mark.parametrize(("name", "version"), BINARIES)
def test_every_part_runs_and_is_the_version_it_should_be(name: str, version: str) -> None:
    if name in ("kube-apiserver", "kube-controller-manager", "etcd") and cache.assets():
        version = ""  # whatever the user brought
    version = version.removeprefix(NEWEST)
    words = {"helm": ["version", "--short"], "ip": ["-V"]}.get(name, ["--version"])

    said = subprocess.run([parts.find(name), *words], capture_output=True, text=True, check=True)

    assert version in said.stdout + said.stderr


@pytest.mark.parametrize("recipe", SERVERS, ids=lambda recipe: recipe.name)
def test_every_package_is_the_version_it_should_be(recipe: NpmPackage) -> None:
    script = cache.private(recipe.binary) / "node_modules" / recipe.script

    (package,) = (folder / "package.json" for folder in script.parents if (folder / "package.json").exists())

    assert json.loads(package.read_text())["version"] == recipe.version


@pytest.mark.parametrize("name", FILES)
def test_every_file_of_a_module_or_package_is_there_and_not_empty(name: str) -> None:
    assert parts.find(name).stat().st_size > 1000


def test_a_missing_part_names_the_command_that_brings_it(empty_cache: Path) -> None:
    with pytest.raises(parts.MissingPart, match=r"etcd 3\.6\.8 is not in .*bin; `make parts` brings"):
        parts.find("etcd")
    with pytest.raises(parts.MissingPart, match="`make parts-peers` brings"):
        parts.find("cloudprober")


def test_an_unknown_part_is_a_mistake_of_the_test() -> None:
    with pytest.raises(KeyError, match="no part is called 'kubelet'"):
        parts.find("kubelet")


def test_ready_binaries_of_the_user_are_taken(
    empty_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready = tmp_path / "etcd"
    ready.touch(mode=0o755)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))

    assert parts.find("etcd") == ready
    with pytest.raises(parts.MissingPart):
        parts.find("kube-apiserver")


def test_a_part_of_another_version_is_made_again(empty_cache: Path) -> None:
    old = pretend("etcd")
    assert script.missing([old]) == []

    newer = dataclasses.replace(old, version="3.6.9")

    assert script.missing([newer]) == [newer]


def pretend(name: str) -> GoModule:
    """Makes the cache look as if this part had been built."""
    (recipe,) = (found for found in WANTED if name in found.binaries)
    assert isinstance(recipe, GoModule)
    cache.binaries().mkdir()
    cache.stamps().mkdir()
    for binary in recipe.binaries:
        (cache.binaries() / binary).touch(mode=0o755)
    stamp(recipe).write_text(recipe.fingerprint())
    return recipe


def test_without_go_it_says_what_to_install(empty_cache: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "tests.parts"],
        cwd=ROOT,
        env={"PATH": "/nowhere", "TENANT_SENTINEL_PARTS": str(empty_cache)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 1
    assert "Go 1.26 or newer is needed to build etcd" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_with_an_old_go_it_says_so(empty_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tmp_path / "go"
    old.write_text("#!/bin/sh\necho go version go1.19.8 linux/amd64\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    with pytest.raises(script.CannotBring, match=r"go1\.19\.8"):
        script.bring(WANTED)


def test_two_runs_at_once_make_each_part_once(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made: list[str] = []
    started, go_on = threading.Event(), threading.Event()

    def make(recipe: Recipe) -> None:
        made.append(recipe.name)
        started.set()
        go_on.wait(10)
        for binary in recipe.binaries:
            (cache.binaries() / binary).touch(mode=0o755)

    monkeypatch.setattr(script, "make", make)
    first, second = (threading.Thread(target=script.bring, args=(WANTED[:1],)) for _ in range(2))
    first.start()
    assert started.wait(10)
    second.start()
    go_on.set()
    first.join(10)
    second.join(10)

    assert made == [WANTED[0].name]


def test_a_warm_run_is_quick_and_quiet() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "tests.parts"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=10
    )

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
