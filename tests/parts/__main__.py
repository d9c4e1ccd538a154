"""Brings what is missing: `python3 -m tests.parts [tests|peers|litellm]`.

One part after the other (a control plane takes 3 GB to compile), each line on
the terminal one part. A part whose stamp carries today's recipe is left alone,
so a warm run costs milliseconds.
"""

import contextlib
import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from tests.parts import cache
from tests.parts.find import from_assets, is_made, stamp
from tests.parts.recipes import (
    NEWEST,
    RECIPES,
    DebianPackage,
    GoFiles,
    GoModule,
    GoSource,
    NpmFiles,
    NpmPackage,
    PythonPackage,
    Recipe,
)

GO = (1, 26)
"""What Kubernetes 1.36 asks for in its go.mod."""


class CannotBring(RuntimeError):
    """A part cannot be made here; the text says what to install."""


def main(arguments: list[str]) -> int:
    group = arguments[0] if arguments else "tests"
    wanted = [recipe for recipe in RECIPES if recipe.group == group]
    if not wanted:
        print(f"parts: no group {group!r}; there are tests, peers and litellm", file=sys.stderr)
        return 2
    try:
        bring(wanted)
    except CannotBring as reason:
        print(f"parts: {reason}", file=sys.stderr)
        return 1
    return 0


def bring(recipes: list[Recipe]) -> None:
    if not missing(recipes):
        return
    with only_one():
        for recipe in missing(recipes):
            with told(recipe):
                make(recipe)
                stamp(recipe).write_text(recipe.fingerprint())


def missing(recipes: list[Recipe]) -> list[Recipe]:
    return [recipe for recipe in recipes if not is_there(recipe)]


def is_there(recipe: Recipe) -> bool:
    return all(from_assets(name) for name in recipe.binaries) or is_made(recipe)


@contextlib.contextmanager
def only_one() -> Iterator[None]:
    """Two runs at once would build everything twice, with twice the memory."""
    cache.binaries().mkdir(parents=True, exist_ok=True)
    cache.stamps().mkdir(exist_ok=True)
    with (cache.folder() / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("parts: another run is building; waiting for it", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def told(recipe: Recipe) -> Iterator[None]:
    """One line: what, a dot every ten seconds, and how long it took."""
    started = time.monotonic()
    done = threading.Event()
    print(f"parts: {recipe.name} {recipe.version}, about {recipe.minutes} min ", end="", flush=True)
    dots = threading.Thread(target=tick, args=(done,), daemon=True)
    dots.start()
    verdict = "failed"
    try:
        yield
        verdict = "ready"
    finally:
        done.set()
        dots.join()
        print(f" {verdict} after {time.monotonic() - started:.0f} s", flush=True)


def tick(done: threading.Event) -> None:
    while not done.wait(10):
        print(".", end="", flush=True)


def make(recipe: Recipe) -> None:
    # Inside the cache, so that the last step is a rename and never half a file.
    with tempfile.TemporaryDirectory(dir=cache.folder(), prefix="making-") as folder:
        if isinstance(recipe, GoModule):
            compile_go(recipe, recipe.folder, Path(folder))
            for alias in recipe.aliases:
                link(cache.binaries() / alias, next(iter(recipe.packages)))
        elif isinstance(recipe, GoSource):
            compile_go(recipe, completed(recipe, Path(folder) / "source"), Path(folder))
        elif isinstance(recipe, GoFiles):
            copy_from_module(recipe)
        elif isinstance(recipe, NpmFiles):
            copy_from_npm(recipe, Path(folder))
        elif isinstance(recipe, NpmPackage):
            install_npm(recipe, Path(folder))
        elif isinstance(recipe, PythonPackage):
            install_python(recipe, Path(folder))
        else:
            unpack_debian(recipe, Path(folder))


def compile_go(recipe: GoModule | GoSource, source: Path, folder: Path) -> None:
    go = go_command(recipe)
    tags = recipe.tags if isinstance(recipe, GoModule) else ""
    for binary, package in recipe.packages.items():
        run(
            *("nice", go, "build", "-trimpath", "-tags", tags),
            *("-ldflags", recipe.linker_flags, "-o", str(folder / binary), package),
            cwd=source,
            # Without version control data: a dirty tree would change the bytes.
            env={"CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false -mod=readonly"},
        )
        (folder / binary).replace(cache.binaries() / binary)


def completed(recipe: GoSource, folder: Path) -> Path:
    """A copy of the module in `folder`, with what it lacks."""
    shutil.copytree(fetch_module(recipe), folder, copy_function=shutil.copyfile)
    # Go keeps its modules read-only.
    for path in (folder, *(inner for inner in folder.rglob("*") if inner.is_dir())):
        path.chmod(0o755)
    for name, content in recipe.stubs.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder


def copy_from_module(recipe: GoFiles) -> None:
    source = fetch_module(recipe) / recipe.folder
    cache.files().mkdir(exist_ok=True)
    for name in recipe.files:
        shutil.copyfile(source / name, cache.files() / name)


def fetch_module(recipe: GoFiles | GoSource) -> Path:
    """Where Go has put the module, once its hash is the one that the recipe names."""
    wanted = f"{recipe.module}@{recipe.module_version}"
    # From a folder without go.mod: the module alone is fetched, and nothing that it needs.
    fetch = (go_command(recipe), "mod", "download", "-json", wanted)
    said = json.loads(run(*fetch, cwd=cache.folder(), env={"GOFLAGS": ""}))
    if said["Sum"] != recipe.sum:
        raise CannotBring(f"{wanted} has the hash {said['Sum']}, expected {recipe.sum}")
    return Path(said["Dir"])


def copy_from_npm(recipe: NpmFiles, folder: Path) -> None:
    fetch_npm(recipe, folder)
    cache.files().mkdir(exist_ok=True)
    for name in recipe.files:
        shutil.copyfile(folder / "node_modules" / recipe.name / name, cache.files() / name)


def fetch_npm(recipe: NpmFiles | NpmPackage, folder: Path) -> None:
    for tool in ("node", "npm"):
        if not shutil.which(tool):
            raise CannotBring(f"{recipe.name} {recipe.version} needs {tool} (Node.js 20 or newer) on PATH")
    for file in recipe.folder.iterdir():
        shutil.copyfile(file, folder / file.name)
    run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=folder, env={"HOME": str(folder)})


def install_npm(recipe: NpmPackage, folder: Path) -> None:
    fetch_npm(recipe, folder)
    home = cache.private(recipe.binary)
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    (folder / "node_modules").replace(home / "node_modules")
    (folder / recipe.preload).replace(home / recipe.preload)
    script = folder / "start.sh"
    script.write_text(
        f'#!/bin/sh\nexec node -r "{home / recipe.preload}" "{home / "node_modules" / recipe.script}" "$@"\n'
    )
    script.chmod(0o755)
    script.replace(cache.binaries() / recipe.binary)


def install_python(recipe: PythonPackage, folder: Path) -> None:
    # In its place at once: an environment that is moved does not start.
    home = cache.private(recipe.binary)
    shutil.rmtree(home, ignore_errors=True)
    run(sys.executable, "-m", "venv", str(home))
    pip = (str(home / "bin" / "pip"), "--disable-pip-version-check", "--quiet")
    run("nice", *pip, "install", "--require-hashes", "-r", str(recipe.lock))
    script = folder / "start.sh"
    script.write_text(f'#!/bin/sh\nexec "{home / "bin" / recipe.binary}" "$@"\n')
    script.chmod(0o755)
    script.replace(cache.binaries() / recipe.binary)


def link(path: Path, target: str) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def go_command(recipe: GoModule | GoSource | GoFiles) -> str:
    need = f"Go {GO[0]}.{GO[1]} or newer is needed to build {recipe.name} {recipe.version}"
    remedy = "install the toolchain and put `go` on PATH"
    if "kube-apiserver" in recipe.binaries or "etcd" in recipe.binaries:
        remedy += ", or set KUBEBUILDER_ASSETS to a folder with " + ", ".join(recipe.binaries)
    if not (go := shutil.which("go")):
        raise CannotBring(f"{need}, and there is none here; {remedy}")
    said = run(go, "version")
    version = re.search(r"go(\d+)\.(\d+)", said)
    if not version or (int(version[1]), int(version[2])) < GO:
        raise CannotBring(f"{need}, and {go} says {said.strip()!r}; {remedy}")
    return go


def unpack_debian(recipe: DebianPackage, folder: Path) -> None:
    for tool in ("apt-get", "apt-cache", "dpkg"):
        if not shutil.which(tool):
            raise CannotBring(
                f"{recipe.name} {recipe.version} comes from Debian's package of that name, "
                f"and {tool} is not here; put {' and '.join(recipe.files)} of version "
                f"{recipe.version} into {cache.binaries()}"
            )
    run("apt-get", "download", debian_version(recipe), *recipe.libraries, cwd=folder)
    for package in folder.glob("*.deb"):
        run("dpkg", "-x", str(package), str(folder / "content"))
    for binary, path in recipe.files.items():
        if recipe.libraries:
            keep_with_libraries(recipe, binary, folder / "content", path)
        elif recipe.data:
            keep_with_data(recipe, binary, folder / "content", path)
        else:
            (folder / "content" / path).replace(cache.binaries() / binary)


def keep_with_libraries(recipe: DebianPackage, binary: str, content: Path, path: str) -> None:
    """The binary and every shared object beside it in a folder of its own, and a script in its place."""
    home = cache.private(binary)
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    for found in content.rglob("lib*.so*"):
        shutil.copy(found, home / found.name)  # a link becomes a file
    (content / path).replace(home / binary)
    if recipe.beside:
        shutil.copytree(content / recipe.beside, home, dirs_exist_ok=True)
    script = content / f"{binary}.sh"
    found_by = f'{fonts(content, home)}LD_LIBRARY_PATH="{home}"'
    script.write_text(f'#!/bin/sh\n{found_by} exec "{home / binary}" "$@"\n')
    script.chmod(0o755)
    script.replace(cache.binaries() / binary)


def keep_with_data(recipe: DebianPackage, binary: str, content: Path, path: str) -> None:
    """The binary and its data in a folder of its own, and a script in its place.

    The binary has the path of an installed package in it, where nothing may be written here. Another path of the
    same length fits into its place: that of a descriptor, which the script opens.
    """
    home = cache.private(binary)
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(content / recipe.data, home / "data")
    installed = f"/{recipe.data}".encode()
    opened = b"/proc/self/fd/9".ljust(len(installed), b"/")
    (home / binary).write_bytes((content / path).read_bytes().replace(installed, opened))
    (home / binary).chmod(0o755)
    script = content / f"{binary}.sh"
    script.write_text(f'#!/bin/sh\nexec "{home / binary}" "$@" 9<"{home / "data"}"\n')
    script.chmod(0o755)
    script.replace(cache.binaries() / binary)


def fonts(content: Path, home: Path) -> str:
    """Fonts that came with it, and the variable by which it finds them: a machine may have none."""
    if not (brought := content / "usr/share/fonts").is_dir():
        return ""
    shutil.copytree(brought, home / "fonts")
    wanted = home / "fonts.conf"
    wanted.write_text(f"<fontconfig><dir>{home / 'fonts'}</dir><cachedir>{home / 'font-cache'}</cachedir></fontconfig>")
    return f'FONTCONFIG_FILE="{wanted}" '


def debian_version(recipe: DebianPackage) -> str:
    """`package=version` of the newest one on offer that is of the wanted line."""
    if not (offered := versions_on_offer(recipe)):
        run("apt-get", "update", "-qq")
        offered = versions_on_offer(recipe)
    for version in offered:
        if recipe.version == NEWEST or version.startswith(recipe.version + "."):
            return f"{recipe.name}={version}"
    raise CannotBring(
        f"no package {recipe.name} {recipe.version} is on offer here "
        f"(found: {', '.join(offered) or 'none'}); it is in Debian 12"
    )


def versions_on_offer(recipe: DebianPackage) -> list[str]:
    table = run("apt-cache", "madison", recipe.name)
    return [line.split("|")[1].strip() for line in table.splitlines() if line.count("|") == 2]


def run(*command: str, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    """The command's output; its last lines are the error when it fails."""
    # From C: a tool that speaks another language would still be understood.
    environment = os.environ | {"LC_ALL": "C"} | (env or {})
    ended = subprocess.run(
        command,
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        tail = "\n    ".join((ended.stderr or ended.stdout).splitlines()[-20:])
        raise CannotBring(f"`{' '.join(command)}` ended with {ended.returncode}:\n    {tail}")
    return ended.stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
