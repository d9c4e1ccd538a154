"""Which parts there are and how each is made: the whole list, as values.

A Go part has a folder beside this file with a go.mod that pins it and a go.sum
that pins everything beneath, so that every machine builds the same bytes.
A Debian part is unpacked, never installed: its service must not start here.
Files of a Go module are copied, and the hash that Go checks stands in the recipe.
"""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent


class Part:
    """What all recipes have. No dataclass, so that the order of their fields, and by it the cache, is their own."""

    name: str
    group: str

    @property
    def command(self) -> str:
        return command_for(self.group)

    def fingerprint(self) -> str:
        """Changes with whatever the binaries are made of."""
        return hashlib.sha256(repr(self).encode()).hexdigest()


class Pinned(Part):
    """One whose folder beside this file has what pins it."""

    @property
    def folder(self) -> Path:
        return HERE / self.name

    def fingerprint(self) -> str:
        digest = hashlib.sha256(repr(self).encode())
        for file in sorted(self.folder.iterdir()):
            digest.update(file.read_bytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class GoModule(Pinned):
    """A part compiled from `folder`; `packages` gives each binary its import path."""

    name: str
    version: str
    minutes: int
    """How long the first build takes on two cores, downloads included."""
    packages: dict[str, str]
    aliases: tuple[str, ...] = ()
    """Names of one multi-call binary, which knows by its name what to be."""
    stamp_version: tuple[str, ...] = ()
    """Linker variables that hold the version, empty in a build from a module."""
    tags: str = ""
    group: str = "tests"

    @property
    def binaries(self) -> tuple[str, ...]:
        return self.aliases or tuple(self.packages)

    @property
    def linker_flags(self) -> str:
        return linker_flags(self.stamp_version)


@dataclass(frozen=True)
class DebianPackage(Part):
    """A part taken out of a Debian package; `files` gives each binary its path inside."""

    name: str
    version: str
    minutes: int
    files: dict[str, str]
    libraries: tuple[str, ...] = field(default=(), repr=False)
    """Packages with the shared objects (and the fonts) that it needs, in whatever version this Debian has."""
    beside: str = field(default="", repr=False)
    """A folder whose files the binary looks for in its own one."""
    data: str = field(default="", repr=False)
    """A folder that the binary looks for at this very path, where nothing of it is installed."""
    group: str = "tests"

    @property
    def binaries(self) -> tuple[str, ...]:
        return tuple(self.files)

    def fingerprint(self) -> str:
        return hashlib.sha256(
            "\n".join((repr(self), *self.libraries, *filter(None, [self.beside, self.data]))).encode()
        ).hexdigest()


@dataclass(frozen=True)
class GoFiles(Part):
    """Files as they are in a Go module, checked by the module's hash; nothing is compiled."""

    name: str
    version: str
    minutes: int
    module: str
    module_version: str
    sum: str
    """As `go.sum` has it."""
    folder: str
    """Of the module, with all the files that are wanted."""
    files: tuple[str, ...]
    group: str = "tests"

    @property
    def binaries(self) -> tuple[str, ...]:
        return self.files


@dataclass(frozen=True)
class GoSource(Part):
    """A part compiled from a copy of its own module, whose go.sum pins what is beneath: for one that lacks a file."""

    name: str
    version: str
    minutes: int
    module: str
    module_version: str
    sum: str
    """As `go.sum` has it."""
    packages: dict[str, str]
    """Gives each binary its package, from the module's root."""
    stubs: dict[str, str]
    """What the module leaves out and its code embeds: each file's path, and a content that will do."""
    stamp_version: tuple[str, ...] = ()
    group: str = "tests"

    @property
    def binaries(self) -> tuple[str, ...]:
        return tuple(self.packages)

    @property
    def linker_flags(self) -> str:
        return linker_flags(self.stamp_version)


@dataclass(frozen=True)
class NpmPackage(Pinned):
    """A part from npm's registry, pinned with all that it needs by the lock file in `folder`."""

    name: str
    version: str
    minutes: int
    binary: str
    script: str
    """Of the installed packages: what node runs."""
    preload: str
    """A file of `folder` that node reads before it."""
    group: str = "tests"

    @property
    def binaries(self) -> tuple[str, ...]:
        return (self.binary,)


@dataclass(frozen=True)
class NpmFiles(Pinned):
    """Files as they are in a package of npm's registry, pinned by the lock file in `folder`; nothing is run."""

    name: str
    version: str
    minutes: int
    files: tuple[str, ...]
    group: str = "tests"

    @property
    def binaries(self) -> tuple[str, ...]:
        return self.files


@dataclass(frozen=True)
class PythonPackage(Part):
    """A part from PyPI in an environment of its own, pinned with all that it needs by the lock file in `folder`."""

    name: str
    version: str
    minutes: int
    binary: str
    """Of the environment: what is started."""
    group: str

    @property
    def lock(self) -> Path:
        return HERE / self.name / "requirements.lock"

    @property
    def binaries(self) -> tuple[str, ...]:
        return (self.binary,)

    def fingerprint(self) -> str:
        return hashlib.sha256(repr(self).encode() + self.lock.read_bytes()).hexdigest()


Recipe = GoModule | GoSource | DebianPackage | GoFiles | NpmFiles | NpmPackage | PythonPackage


def linker_flags(stamp_version: tuple[str, ...]) -> str:
    return " ".join(("-s -w", *(f"-X {variable}" for variable in stamp_version)))


def command_for(group: str) -> str:
    return "make parts" if group == "tests" else f"make parts-{group}"


NEWEST = "newest"
"""The version of a part that its own makers replace every few days, and take the old ones away."""
CHAOS_MESH = ("networkchaos", "podchaos", "stresschaos", "iochaos", "schedules", "workflows")
"""The kinds whose definitions the tests install: small ones, and the two that are very large."""
COMPONENT = "k8s.io/component-base/version"
COMMON = "github.com/prometheus/common/version"

RECIPES: tuple[Recipe, ...] = (
    GoModule(
        "etcd",
        version="3.6.8",
        minutes=1,
        packages={"etcd": "go.etcd.io/etcd/server/v3"},
    ),
    # Since 0.32 the module comes without the web page that its code embeds: nobody looks at it here.
    GoSource(
        "alertmanager",
        version="0.34.2",
        minutes=1,
        module="github.com/prometheus/alertmanager",
        module_version="v0.34.2",
        sum="h1:4oOnHs4J41X9n+7MucFjA3I5i5MtasjWTnIY27q5Qkw=",
        packages={"alertmanager": "./cmd/alertmanager", "amtool": "./cmd/amtool"},
        stubs={"ui/app/dist/index.html": "<!doctype html>\n"},
        stamp_version=(f"{COMMON}.Version=0.34.2",),
    ),
    GoModule(
        "prometheus",
        version="3.15.0",
        minutes=4,
        packages={
            "prometheus": "github.com/prometheus/prometheus/cmd/prometheus",
            "promtool": "github.com/prometheus/prometheus/cmd/promtool",
        },
        stamp_version=(f"{COMMON}.Version=3.15.0",),
        # The cloud SDKs of service discovery are most of its size and none of its use here.
        tags="remove_all_sd",
    ),
    # What many still run, and the last line before ranges became left-open in 3.0:
    # the same rule counts differently, so rules are tested with both.
    DebianPackage(
        "prometheus",
        version="2.42",
        minutes=1,
        files={"prometheus2": "usr/bin/prometheus", "promtool2": "usr/bin/promtool"},
    ),
    # Of the same Debian, and so beside it in many a cluster.
    DebianPackage(
        "prometheus-alertmanager",
        version="0.25",
        minutes=1,
        files={"alertmanager025": "usr/bin/prometheus-alertmanager", "amtool025": "usr/bin/amtool"},
        data="usr/share/prometheus/alertmanager",
    ),
    # For the Dockerfile's steps, where no container engine is.
    DebianPackage(
        "bubblewrap",
        version="0.8",
        minutes=1,
        files={"bwrap": "usr/bin/bwrap"},
    ),
    # A real network for the tests: namespaces, and policies in them. Unpacked, as the others: nftables
    # installed would bring a service that may replace the machine's own rules.
    DebianPackage(
        "nftables",
        version="1.0",
        minutes=1,
        files={"nft": "usr/sbin/nft"},
        libraries=(
            *("libnftables1", "libnftnl11", "libmnl0", "libjansson4", "libxtables12", "libgmp10"),
            *("libedit2", "libbsd0", "libmd0", "libtinfo6"),
        ),
    ),
    DebianPackage(
        "iproute2",
        version="6.1",
        minutes=1,
        files={"ip": "bin/ip"},
        libraries=("libbpf1", "libelf1", "zlib1g", "libmnl0", "libcap2", "libbsd0", "libmd0"),
    ),
    # The page that users see, as they see it: what Playwright drives. The shell has no window, and needs no GTK.
    DebianPackage(
        "chromium-headless-shell",
        version=NEWEST,
        minutes=1,
        files={"chromium": "usr/lib/chromium/chromium-headless-shell"},
        beside="usr/lib/chromium",
        libraries=(
            *("chromium-common", "fonts-dejavu-core", "libasound2", "libasyncns0", "libatk1.0-0", "libatspi2.0-0"),
            *("libblkid1", "libbrotli1", "libbsd0", "libbz2-1.0", "libcap2", "libdav1d6", "libdbus-1-3"),
            *("libdouble-conversion3", "libdrm2", "libexpat1", "libffi8", "libflac12", "libfontconfig1"),
            *("libfreetype6", "libgbm1", "libgcrypt20", "libglib2.0-0", "libgpg-error0", "libgraphite2-3"),
            *("libharfbuzz-subset0", "libharfbuzz0b", "libjpeg62-turbo", "liblcms2-2", "liblz4-1", "liblzma5"),
            *("libmd0", "libminizip1", "libmount1", "libmp3lame0", "libmpg123-0", "libnspr4", "libnss3", "libogg0"),
            *("libopenh264-7", "libopenjp2-7", "libopus0", "libpcre2-8-0", "libpng16-16", "libpulse0"),
            *("libselinux1", "libsndfile1", "libsqlite3-0", "libsystemd0", "libudev1", "libvorbis0a"),
            *("libvorbisenc2", "libwayland-server0", "libx11-6", "libx11-xcb1", "libxau6", "libxcb-randr0"),
            *("libxcb1", "libxcomposite1", "libxdamage1", "libxdmcp6", "libxext6", "libxfixes3", "libxi6"),
            *("libxkbcommon0", "libxnvctrl0", "libxrandr2", "libxrender1", "libzstd1", "zlib1g"),
        ),
    ),
    GoModule(
        "helm",
        version="3.22.0",
        minutes=2,
        packages={"helm": "helm.sh/helm/v3/cmd/helm"},
        stamp_version=("helm.sh/helm/v3/internal/version.version=v3.22.0",),
    ),
    GoModule(
        "kube",
        version="1.36.3",
        minutes=6,
        packages={"kube": "."},
        aliases=("kube-apiserver", "kube-controller-manager"),
        stamp_version=(
            f"{COMPONENT}.gitVersion=v1.36.3",
            f"{COMPONENT}.gitMajor=1",
            f"{COMPONENT}.gitMinor=36",
            f"{COMPONENT}.gitTreeState=clean",
        ),
    ),
    # Our own list of plug-ins: the server, zones from files, their transfer, and answers made up.
    GoModule(
        "coredns",
        version="1.14.7",
        minutes=1,
        packages={"coredns": "."},
    ),
    # The TCP faults of drills: a proxy that can be told to be down, deaf, slow or short.
    GoModule(
        "toxiproxy",
        version="2.12.0",
        minutes=1,
        packages={"toxiproxy-server": "github.com/Shopify/toxiproxy/v2/cmd/server"},
        stamp_version=("github.com/Shopify/toxiproxy/v2.Version=2.12.0",),
    ),
    # Its tags are of version 2 without a /v2 in the module's path: the commit is what Go takes.
    GoFiles(
        "chaos-mesh",
        version="2.8.3",
        minutes=1,
        module="github.com/chaos-mesh/chaos-mesh",
        module_version="v0.9.1-0.20260902003049-47411975a8cb",
        sum="h1:0TeWmCELKreoLAXuoPaO2qpJe73foDgOoyU3fdKQN4A=",
        folder="config/crd/bases",
        files=tuple(f"chaos-mesh.org_{plural}.yaml" for plural in CHAOS_MESH),
    ),
    # A real LLM gateway. The override: with the newest of that package every stream ends in a 500.
    NpmPackage(
        "portkey",
        version="1.15.2",
        minutes=1,
        binary="portkey-gateway",
        script="@portkey-ai/gateway/build/start-server.js",
        preload="loopback.js",
    ),
    # What keeps people out of a page: read by the tests of the status page into their own browser, never shipped (MPL).
    NpmFiles("axe-core", version="4.14.1", minutes=1, files=("axe.min.js",)),
    # The other gateway that many run: 120 packages, 750 MB.
    PythonPackage("litellm", version="1.106.2", minutes=3, binary="litellm", group="litellm"),
    GoModule(
        "cloudprober",
        version="0.14.4",
        minutes=2,
        packages={"cloudprober": "github.com/cloudprober/cloudprober/cmd/cloudprober"},
        group="peers",
    ),
    DebianPackage(
        "prometheus-blackbox-exporter",
        version="0.23",
        minutes=1,
        files={"blackbox_exporter": "usr/bin/prometheus-blackbox-exporter"},
        group="peers",
    ),
)
