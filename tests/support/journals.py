"""A journal's files as an auditor has them: read and followed from the first line to the last."""

import json
from pathlib import Path
from typing import Any

from sentinel.core.audit import chain
from sentinel.core.audit.chain import Break, Walk


def files(path: Path) -> list[Path]:
    """The days of a journal, the oldest first."""
    return [*sorted(path.parent.glob(f"{path.name}.????-??-??")), *([path] if path.exists() else [])]


def follow(path: Path) -> Walk | Break:
    """The chain over all files, to where it ends or breaks."""
    walk = Walk()
    for file in files(path):
        walk = chain.next_file(walk)
        for line in file.read_bytes().splitlines(keepends=True):
            step = chain.step(walk, line.removesuffix(b"\n"), whole=line.endswith(b"\n"))
            if isinstance(step, Break):
                return step
            walk, _ = step
    return chain.finish(walk) or walk


def followed(path: Path) -> Walk:
    """The same, of a chain that must hold."""
    walk = follow(path)
    assert isinstance(walk, Walk), walk
    return walk


def rows(file: Path) -> list[dict[str, Any]]:
    """What the lines of one file say; what is no JSON is left out."""
    found = []
    for line in file.read_text("utf-8", "replace").splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def told(path: Path, *, about: bool = False) -> list[dict[str, Any]]:
    """The rows of all files, without those about the journal itself."""
    own = () if about else ("file", "torn", "lost", "process")
    return [row for file in files(path) for row in rows(file) if row.get("event") not in own]
