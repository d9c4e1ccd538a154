"""Who may import whom: the contracts of pyproject.toml, run; and what the core may not even do without an import."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CORE = sorted((ROOT / "sentinel" / "core").glob("**/*.py"))
LINT = Path(sys.executable).with_name("lint-imports")
SENTENCES = {
    "Imports point inward",
    "What joins joins what it knows, and not the other way round",
    "The core decides; it never touches the world",
    "One sink knows no other",
    "Probes do not count, log or retry",
    "Injectors break and heal; they neither count, log nor retry",
}
WORLD = {"asyncio", "time", "random", "os", "socket", "logging", "aiohttp", "secrets", "ssl", "pathlib", "subprocess"}


def settings():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]


def lint(folder=ROOT):
    command = [str(LINT), "--no-logo", "--no-cache"]
    env = {"PYTHONPATH": str(folder)}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)


def test_every_contract_is_kept():
    result = lint()

    assert result.returncode == 0, result.stdout + result.stderr


def test_the_contracts_are_the_sentences_of_the_design():
    assert {contract["name"] for contract in settings()["contracts"]} >= SENTENCES


@pytest.mark.parametrize("folder", ["sentinel", "sentinel.joins"])
def test_every_room_has_its_place(folder):
    """A new file or folder that no layer names could import whatever it likes."""
    layered = [contract for contract in settings()["contracts"] if contract["type"] == "layers"]
    (layers,) = (one["layers"] for one in layered if one.get("containers", ["sentinel"]) == [folder])
    placed = {name.strip().removeprefix("sentinel.") for layer in layers for name in layer.split("|")}
    where = ROOT.joinpath(*folder.split("."))
    rooms = {file.parent.name for file in where.glob("*/__init__.py")} | {file.stem for file in where.glob("[!_]*.py")}

    assert rooms - placed == set()


PLANTED = {
    "core/api/plan.py": "import asyncio",
    "core/api/gates.py": "from sentinel.clients import kube",
    "engine/round.py": "from sentinel.probes import kube_read",
    "probes/kube_read.py": "import structlog",
    "injectors/provider.py": "import aiohttp",
    "kinds.py": "from sentinel import daemon",
    "joins/world.py": "from sentinel.joins import networking",
}


@pytest.mark.parametrize(("file", "line"), PLANTED.items(), ids=PLANTED.keys())
def test_a_violation_is_found(tmp_path, file, line):
    """The contracts can fail: each of these lines in its file breaks one."""
    copy = tmp_path / "sentinel"
    for source in (ROOT / "sentinel").glob("**/*.py"):
        target = copy / source.relative_to(ROOT / "sentinel")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())
    (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    with (copy / file).open("a") as end:
        end.write(f"\n{line}\n")

    result = lint(tmp_path)

    assert result.returncode == 1, result.stdout
    assert "BROKEN" in result.stdout


@pytest.mark.parametrize("file", CORE, ids=lambda file: file.stem)
def test_the_core_waits_for_nothing_and_imports_no_world(file):
    tree = ast.parse(file.read_text())
    nodes = list(ast.walk(tree))
    imported = {name.name.partition(".")[0] for node in nodes if isinstance(node, ast.Import) for name in node.names}
    imported |= {(node.module or "").partition(".")[0] for node in nodes if isinstance(node, ast.ImportFrom)}

    assert not [node for node in nodes if isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor)]
    assert imported & WORLD == set()


@pytest.mark.parametrize("file", CORE, ids=lambda file: file.stem)
def test_the_core_reads_no_file_and_writes_none(file):
    called = {
        node.func.id
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }

    assert called & {"open", "print", "input", "exec", "eval", "__import__"} == set()
