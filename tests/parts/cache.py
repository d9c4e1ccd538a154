"""Where the parts are kept: one folder outside the tree, shared by all clones.

$TENANT_SENTINEL_PARTS, else ${XDG_CACHE_HOME:-~/.cache}/tenant-sentinel/parts
    bin/      what tests start
    files/    what tests read
    private/  of parts that come with libraries of their own: those, and the real binary
    stamps/   which recipe each part was made by
    lock      held by the one run that builds
"""

import os
from pathlib import Path


def folder() -> Path:
    """The cache's root, which may not exist yet."""
    if chosen := os.environ.get("TENANT_SENTINEL_PARTS"):
        return Path(chosen).expanduser().absolute()
    caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(caches).expanduser() / "tenant-sentinel" / "parts"


def binaries() -> Path:
    return folder() / "bin"


def files() -> Path:
    return folder() / "files"


def private(name: str) -> Path:
    return folder() / "private" / name


def stamps() -> Path:
    return folder() / "stamps"


def assets() -> Path | None:
    """The folder of ready control plane binaries that the user named, if any."""
    named = os.environ.get("KUBEBUILDER_ASSETS")
    return Path(named) if named else None
