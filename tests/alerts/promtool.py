"""promtool of both Prometheus versions, asked about rules: the one door, so that mutants can stand behind it."""

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

from tests import parts
from tests.alerts.needed import needed
from tests.alerts.rules import in_file, name_of

TOOLS = ("promtool2", "promtool")
HURRY = {"GOGC": "400"}
"""A short life with much memory: a quarter less time than with Go's own measure."""


def complaints(files: Mapping[str, str], case: Mapping[str, Any]) -> str:
    """What both have against it, or nothing. `files`: rule files by name; `case`: promtool's test file.

    `<<SentinelDown>>` in an expression stands for the expression of that rule, for what takes days to evaluate.
    """
    rules, asked = needed(files, expanded(files, case))
    written = {name: json.dumps(content) for name, content in (rules | {"test.yaml": asked}).items()}  # JSON is YAML
    with ThreadPoolExecutor() as both:
        said = both.map(lambda tool: _said(tool, written), TOOLS)
        return "\n".join(f"{tool}: {what}" for tool, what in zip(TOOLS, said, strict=True) if what)


def expanded(files: Mapping[str, str], case: Mapping[str, Any]) -> dict[str, Any]:
    """With each `<<rule>>` written out."""
    return {**case, "tests": [_expanded(files, test) for test in case["tests"]]}


def _expanded(files: Mapping[str, str], test: Mapping[str, Any]) -> dict[str, Any]:
    asked = [dict(one) for one in test["promql_expr_test"]]
    for one in asked:
        if "<<" in one["expr"]:
            before, name, after = one["expr"].replace(">>", "<<").split("<<")
            one["expr"] = f"{before}{_expression(files, name)}{after}"
    return {**test, "promql_expr_test": asked}


def _expression(files: Mapping[str, str], name: str) -> str:
    return next(found for text in files.values() if (found := _expressions(text).get(name)) is not None)


@cache
def _expressions(text: str) -> Mapping[str, str]:
    """Of a rule file by name, the first of each."""
    return {name_of(rule): str(rule["expr"]) for rule in reversed(in_file(text))}


def _said(tool: str, files: Mapping[str, str]) -> str:
    with tempfile.TemporaryDirectory(prefix="sentinel-promtool-") as folder:
        for name, text in files.items():
            (Path(folder) / name).write_text(text)
        command = [str(parts.find(tool)), "test", "rules", "test.yaml"]
        environment = os.environ | HURRY
        ended = subprocess.run(
            command, check=False, cwd=folder, env=environment, capture_output=True, text=True, timeout=300
        )
    return (ended.stdout + ended.stderr)[:6000] if ended.returncode else ""
