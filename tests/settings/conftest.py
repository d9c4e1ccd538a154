"""A folder with one configuration file in it, and no pod around it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from sentinel import errors, settings

GOOD = """\
cluster: prod-eu1
tenant: team-a
tenants:
  - {name: team-a, namespaces: [team-a]}
  - {name: team-b, namespaces: [team-b, team-b-jobs]}
"""
"""Lines 1 to 5 of most of the files here; what a test is about begins in line 6."""

Refusal = Callable[..., list[str]]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def no_pod(tmp_path: Path) -> dict[str, str]:
    """An environment in which no account is mounted."""
    return {"SENTINEL_SERVICE_ACCOUNT_DIR": str(tmp_path / "nowhere")}


@pytest.fixture
def problems_of(no_pod: dict[str, str]) -> Refusal:
    """Give the problems of a text, as the lines that people see."""

    def refuse(text: str | bytes, environ: Mapping[str, str] | None = None) -> list[str]:
        Path("s.yaml").write_bytes(text.encode() if isinstance(text, str) else text)
        with pytest.raises(errors.ConfigError) as caught:
            settings.load(Path("s.yaml"), {**no_pod, **(environ or {})})
        assert str(caught.value) == "\n".join(str(problem) for problem in caught.value.problems)
        return [str(problem) for problem in caught.value.problems]

    return refuse
