"""The image does what the chart asks of it: as nobody, on a read-only root, without capabilities and without a shell."""

import json
import re
import stat
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from sentinel import __version__
from tests.deploy import chart, image

LOCK = chart.ROOT / "requirements" / "runtime.lock"
PYTHON = "/opt/sentinel/bin/python"


@pytest.fixture
def container() -> chart.Object:
    deployment = chart.one(chart.render(chart.values(1)), "Deployment", "sentinel")
    return dict(deployment["spec"]["template"]["spec"])


def test_it_says_its_version(built: image.Stage) -> None:
    ended = image.run_as_pod(built, *built.entrypoint, "--version")

    assert ended.returncode == 0, ended.stderr
    assert __version__ in ended.stdout


def test_the_shipped_drills_are_in_it(built: image.Stage) -> None:
    ended = image.run_as_pod(built, *built.entrypoint, "drill", "list")

    assert ended.returncode == 0, ended.stderr
    assert "provider-outage" in ended.stdout


def test_the_status_page_and_its_script_are_in_it(built: image.Stage) -> None:
    program = (
        "from sentinel.sinks.history import History; from sentinel.web import console, pages; "
        "print(pages.page(History('team-a').snapshot(), 0.0), console._read())"
    )

    ended = image.run_as_pod(built, PYTHON, "-c", program)

    assert ended.returncode == 0, ended.stderr
    assert "No round has ended yet" in ended.stdout and "EventSource" in ended.stdout


def test_it_takes_the_configuration_that_the_chart_mounts(built: image.Stage, tmp_path: Path) -> None:
    (tmp_path / "sentinel.yaml").write_text(chart.configuration(chart.render(chart.values(2)), "team-1"))

    ended = image.run_as_pod(
        built, *built.entrypoint, "check", "--config", "/etc/sentinel/sentinel.yaml", mounts={"/etc/sentinel": tmp_path}
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_it_refuses_a_wrong_one_with_2(built: image.Stage, tmp_path: Path) -> None:
    (tmp_path / "sentinel.yaml").write_text("cluster: x\ntenant: [1\n")

    ended = image.run_as_pod(built, *built.entrypoint, *built.command, mounts={"/etc/sentinel": tmp_path})

    assert ended.returncode == 2, ended.stdout + ended.stderr
    assert "/etc/sentinel/sentinel.yaml" in ended.stderr


def test_it_is_nobody_and_has_no_capability(built: image.Stage) -> None:
    program = "import json, os; print(json.dumps([os.getuid(), os.getgid(), open('/proc/self/status').read()]))"

    user, group, status = json.loads(image.run_as_pod(built, PYTHON, "-c", program).stdout)

    assert (user, group) == (65532, 65532)
    for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert re.search(rf"^{kind}:\t0+$", status, re.MULTILINE), kind


@pytest.mark.parametrize("place", ["/", "/opt/sentinel", "/opt/sentinel/lib", "/etc", "/home"])
def test_there_is_nothing_to_write_to(built: image.Stage, place: str) -> None:
    program = f"import os; os.makedirs({place!r}, exist_ok=True); open(os.path.join({place!r}, 'x'), 'w')"

    ended = image.run_as_pod(built, PYTHON, "-c", program)

    assert ended.returncode == 1
    assert "Read-only file system" in ended.stderr


def test_it_has_no_shell_in_the_test_so_it_needs_none(built: image.Stage) -> None:
    program = (
        "import shutil; print([shutil.which(name, path='/bin:/usr/bin:/usr/local/bin') for name in ('sh', 'bash')])"
    )

    assert image.run_as_pod(built, PYTHON, "-c", program).stdout.strip() == "[None, None]"


def test_it_holds_what_the_lock_says_and_nothing_else(built: image.Stage) -> None:
    program = "import importlib.metadata as m, json; print(json.dumps({d.name: d.version for d in m.distributions()}))"

    found = json.loads(image.run_as_pod(built, PYTHON, "-c", program).stdout)

    installed = {canonicalize_name(name): version for name, version in found.items()}
    assert installed == image.locked(LOCK) | {"tenant-sentinel": __version__}


def test_everybody_may_read_what_is_in_it(built: image.Stage) -> None:
    for path in (built.root / "opt").rglob("*"):
        mode = path.lstat().st_mode
        wanted = 0o555 if stat.S_ISDIR(mode) else 0o444
        assert stat.S_ISLNK(mode) or mode & wanted == wanted, path


def test_its_bytecode_is_there_already(built: image.Stage) -> None:
    packages = next((built.root / "opt/sentinel/lib").glob("python3*/site-packages"))

    for module in [*packages.glob("sentinel/**/*.py"), *packages.glob("aiohttp/*.py")]:
        assert list((module.parent / "__pycache__").glob(f"{module.stem}.*.pyc")), module


def test_the_source_tree_and_its_tests_are_not_in_it(built: image.Stage) -> None:
    names = {path.name for path in built.root.iterdir()}

    assert "src" not in names
    assert not list(built.root.rglob("test_image.py"))


def test_it_is_started_as_the_chart_starts_it(built: image.Stage, container: chart.Object) -> None:
    (only,) = container["containers"]
    security = container["securityContext"]

    assert "command" not in only
    assert (built.entrypoint, built.command) == (["sentinel"], only["args"])
    assert built.user == f"{security['runAsUser']}:{security['runAsGroup']}"
    assert built.port == only["ports"][0]["containerPort"]


def test_the_lock_satisfies_what_the_package_asks_for() -> None:
    project = tomllib.loads((chart.ROOT / "pyproject.toml").read_text())["project"]
    wanted = [Requirement(text) for text in project["dependencies"] + project["optional-dependencies"]["fast"]]

    versions = image.locked(LOCK)

    for requirement in wanted:
        version = versions.get(canonicalize_name(requirement.name))
        assert version, f"{requirement} is not in {LOCK.name}"
        assert requirement.specifier.contains(version), f"{requirement}: the lock has {version}"


@pytest.mark.parametrize("name", ["runtime.lock", "build.lock"])
def test_every_locked_version_has_its_hashes(name: str) -> None:
    text = (chart.ROOT / "requirements" / name).read_text()

    for entry in re.split(r"\n(?=[a-z])", text)[1:]:
        assert "--hash=sha256:" in entry, entry
