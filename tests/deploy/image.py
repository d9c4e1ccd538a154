"""The Dockerfile without an engine: its steps under bubblewrap, on this machine's Python in place of the base image.

    Dockerfile -> steps -> stage: a folder that becomes the root, with the base mounted read-only into it
                             |
                             +-> run_as_pod: uid 65532, read-only root, no capability, no shell

What this cannot see: whether the base image is as we think, and whether an engine reads the file as we do.
"""

import fnmatch
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from tests import parts
from tests.parts import cache

USUAL_PATH = "/usr/local/bin:/usr/bin:/bin"

PASSED_ON = (
    "PIP_CERT",
    "PIP_INDEX_URL",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
)
"""How this machine reaches the package index; an engine passes the same on."""


@dataclass(frozen=True)
class Step:
    """One instruction of a Dockerfile; `text` is what follows its name."""

    name: str
    text: str

    @property
    def words(self) -> list[str]:
        return shlex.split(self.text)

    @property
    def json(self) -> list[str]:
        """The exec form, which needs no shell."""
        words: list[str] = json.loads(self.text)
        return words


def steps(text: str) -> list[Step]:
    """The instructions, with comments gone and continued lines joined."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [Step(*line.split(maxsplit=1)) for line in joined.splitlines()]


@dataclass
class Stage:
    """What one FROM begins: a root of its own on the base, and what has been set for its processes."""

    root: Path
    env: dict[str, str] = field(default_factory=lambda: {"PATH": USUAL_PATH})
    workdir: str = "/"
    user: str = "0"
    port: int | None = None
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)


def build(folder: Path, context: Path) -> Stage:
    """Run every step of the Dockerfile in `context`; the last stage is the image."""
    stages: dict[str, Stage] = {}
    stage = Stage(folder / "nothing")
    sources = sent(context)
    for number, step in enumerate(steps((context / "Dockerfile").read_text())):
        match step.name:
            case "ARG":
                pass
            case "FROM":
                stage = Stage(folder / f"stage-{number}")
                lay(stage.root)
                stages[step.words[-1]] = stage
            case "WORKDIR":
                stage.workdir = step.text
                (stage.root / step.text.lstrip("/")).mkdir(parents=True, exist_ok=True)
            case "COPY":
                copy(step, stage, stages, context, sources)
            case "RUN":
                run_step(step, stage)
            case "ENV":
                stage.env |= dict(word.split("=", 1) for word in step.words)
            case "USER":
                stage.user = step.text
            case "EXPOSE":
                stage.port = int(step.words[0])  # the others: see network.beacon.port
            case "ENTRYPOINT":
                stage.entrypoint = step.json
            case "CMD":
                stage.command = step.json
            case other:
                raise AssertionError(f"the Dockerfile has {other}, which this test does not know how to run")
    return stage


def sent(context: Path) -> set[str]:
    """The files that .dockerignore lets an engine see, as paths below `context`."""
    patterns = [line for line in (context / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    return {path for path in files_below(context) if not ignored(path, patterns)}


def files_below(context: Path) -> Iterator[str]:
    for parent, folders, names in os.walk(context):
        folders[:] = [name for name in folders if name not in (".git", ".venv")]
        for name in names:
            yield str((Path(parent) / name).relative_to(context))


def ignored(path: str, patterns: Sequence[str]) -> bool:
    """The last pattern that fits the path or one of its folders decides."""
    verdict = False
    candidates = [PurePosixPath(path), *PurePosixPath(path).parents]
    for pattern in patterns:
        plain = pattern.removeprefix("!").rstrip("/")
        if any(fits(candidate, plain) for candidate in candidates):
            verdict = not pattern.startswith("!")
    return verdict


def fits(path: PurePosixPath, pattern: str) -> bool:
    if pattern.startswith("**/"):
        return fnmatch.fnmatch(path.name, pattern.removeprefix("**/"))
    return len(path.parts) == len(PurePosixPath(pattern).parts) and fnmatch.fnmatch(str(path), pattern)


def copy(step: Step, stage: Stage, stages: Mapping[str, Stage], context: Path, sources: set[str]) -> None:
    words = step.words
    target = stage.root / str(PurePosixPath(stage.workdir, words[-1])).lstrip("/")
    if words[0].startswith("--from="):
        origin = stages[words[0].removeprefix("--from=")].root
        shutil.copytree(origin / words[1].lstrip("/"), target, symlinks=True, dirs_exist_ok=True)
        return
    for word in words[:-1]:
        found = [path for path in sources if path == word or path.startswith(word.rstrip("/") + "/")]
        assert found, f"COPY {word}: .dockerignore leaves nothing of it"
        for path in found:
            inside = path if path == word else os.path.relpath(path, word)
            (target / inside).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(context / path, target / inside)


def run_step(step: Step, stage: Stage) -> None:
    """As root of the stage, with the network: that is how engines build."""
    pip_cache = cache.folder() / "pip"
    pip_cache.mkdir(parents=True, exist_ok=True)
    env = stage.env | {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    command = [
        *(bubblewrap(), "--unshare-user", "--uid", "0", "--gid", "0", "--die-with-parent"),
        *("--bind", str(stage.root), "/", *base(with_shell=True), "--tmpfs", "/tmp"),
        *("--bind", str(pip_cache), "/var/cache/pip"),
        *set_env(env | {"PIP_CACHE_DIR": "/var/cache/pip", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "HOME": "/tmp"}),
        *("--chdir", stage.workdir, "/bin/sh", "-c", step.text),
    ]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, f"RUN {step.text}\n{ended.stdout[-2000:]}\n{ended.stderr[-2000:]}"


def pod_command(
    stage: Stage,
    words: Sequence[str],
    *,
    mounts: Mapping[str, Path] | None = None,
    env: Mapping[str, str] | None = None,
    network: bool = False,
) -> list[str]:
    """The command line that starts `words` as the chart's pod would: nobody, nothing to write to, no capability.

    As process 1, as in a container, which the kernel spares every signal it has no handler for.

    mounts: further read-only folders or files, by their place in the pod.
    """
    user, group = stage.user.split(":")
    bound = [word for place, path in (mounts or {}).items() for word in ("--ro-bind", str(path), place)]
    return [
        *(bubblewrap(), "--unshare-all", *(["--share-net"] if network else []), "--die-with-parent", "--as-pid-1"),
        *("--uid", user, "--gid", group, "--cap-drop", "ALL"),
        *("--bind", str(stage.root), "/", *base(with_shell=False), *bound, "--remount-ro", "/"),
        *set_env(stage.env | dict(env or {})),
        *("--chdir", stage.workdir, *words),
    ]


def run_as_pod(stage: Stage, *words: str, mounts: Mapping[str, Path] | None = None) -> subprocess.CompletedProcess[str]:
    command = pod_command(stage, words, mounts=mounts)
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def set_env(env: Mapping[str, str]) -> list[str]:
    # The loader finds libpython through the base's own cache there, and here through this.
    all_of_it = {"LD_LIBRARY_PATH": "/usr/local/lib"} | dict(env)
    return ["--clearenv", *(word for name, value in all_of_it.items() for word in ("--setenv", name, value))]


SYSTEM = ("/lib", "/lib64", "/usr/lib", "/usr/lib64")
TOOLS = ("/bin", "/usr/bin")


def lay(root: Path) -> None:
    """Begin a stage: the links of this machine's root, which a mount cannot carry."""
    root.mkdir(parents=True)
    for place in (*SYSTEM, *TOOLS):
        if Path(place).is_symlink():
            (root / place.lstrip("/")).symlink_to(Path(place).readlink())
    if sys.base_prefix == "/usr":
        (root / "usr/local/bin").mkdir(parents=True)
        (root / "usr/local/bin/python").symlink_to(Path(sys.executable).resolve())


def base(*, with_shell: bool) -> list[str]:
    """This machine in place of the base image: its libraries, its Python at /usr/local, and a shell if wanted."""
    mounts = ["--proc", "/proc", "--dev", "/dev"]
    for place in (*SYSTEM, *(TOOLS if with_shell else ())):
        if Path(place).is_dir() and not Path(place).is_symlink():
            mounts += ["--ro-bind", place, place]
    if with_shell:
        for place in ("/etc/ssl", "/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf"):
            mounts += ["--ro-bind-try", place, place]
    return mounts + python(with_shell=with_shell)


def python(*, with_shell: bool) -> list[str]:
    """The Python of this environment where the base image has its own: /usr/local/bin/python."""
    if sys.base_prefix != "/usr":
        return ["--ro-bind", sys.base_prefix, "/usr/local"]
    real = str(Path(sys.executable).resolve())
    return [] if with_shell else ["--ro-bind", real, real]


def bubblewrap() -> str:
    # The machine's own first: some let no other one make a namespace (AppArmor).
    return shutil.which("bwrap") or str(parts.find("bwrap"))


def locked(lock: Path) -> dict[str, str]:
    """Name to version of everything in a lock file."""
    return dict(re.findall(r"^([a-z0-9.-]+)==(\S+)", lock.read_text(), re.MULTILINE))
