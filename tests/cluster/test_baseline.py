"""The first week: what is open is proposed, refused until a person has decided, and silent from then on."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from sentinel.core.verdict import Reason
from sentinel.errors import ConfigError
from sentinel.settings import load
from tests.cluster.ground import MOST_ROUNDS, Ground
from tests.cluster.lookout import Lookout
from tests.support import manifests
from tests.support.sentinels import COMMAND

WHO = manifests.of_account("team-a")


def environ(look: Lookout) -> dict[str, str]:
    return {
        "KUBERNETES_SERVICE_HOST": look.world.environ["KUBERNETES_SERVICE_HOST"],
        "KUBERNETES_SERVICE_PORT": look.world.environ["KUBERNETES_SERVICE_PORT"],
        "SENTINEL_SERVICE_ACCOUNT_DIR": str(look.folder),
    }


def proposed(look: Lookout, *words: str) -> subprocess.CompletedProcess[str]:
    command = [str(COMMAND), "baseline", "propose", "--config", str(look.folder / "sentinel.yaml"), *words]
    times = {"EVERY": "10s", "TIMEOUT": "4s", "WITHIN": "50s", "SWEEP": "50s"}
    patient = {f"SENTINEL__ISOLATION__{name}": value for name, value in times.items()}
    env = environ(look) | patient | {"PATH": os.environ["PATH"]}
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)


@contextmanager
def granted(scene: Ground, *objects: Any) -> Iterator[None]:
    scene.cluster.admin.apply(*objects)
    try:
        yield
    finally:
        scene.cluster.admin.delete(*reversed(objects))


def pasted(look: Lookout, text: str) -> str:
    """The configuration with what was proposed, as a person would write it in."""
    config = yaml.safe_load((look.folder / "sentinel.yaml").read_text())
    config["isolation"]["allow"] = yaml.safe_load(text)["isolation"]["allow"]
    return str(yaml.safe_dump(config))


async def test_what_is_proposed_is_refused_until_it_is_filled_in_and_then_all_is_held(scene: Ground) -> None:
    reads = manifests.rule(["get", "list"], ["configmaps"]), manifests.rule(["list"], ["pods"])
    with granted(scene, *manifests.grant("team-b", "for-a-while", WHO, *reads)):
        said = proposed(scene.look, "--once")
        assert said.returncode == 0, said.stderr
        entries = yaml.safe_load(said.stdout)["isolation"]["allow"]
        shown = [(e["from"], e["to"], e["verbs"], e["resources"]) for e in entries]
        assert shown == [
            ("team-a", "team-b", ["get", "list"], ["configmaps"]),
            ("team-a", "team-b", ["list"], ["pods"]),
        ]
        assert entries[0]["until"] == datetime.now(UTC).date() + timedelta(days=30)
        file = scene.look.folder / "proposed.yaml"
        file.write_text(pasted(scene.look, said.stdout))
        with pytest.raises(ConfigError) as refused:
            load(file, environ(scene.look))
        assert "nobody has decided yet" in str(refused.value)

        filled = pasted(scene.look, said.stdout.replace("FILL IN", "The feed moves in May"))
        with tempfile.TemporaryDirectory(prefix="sentinel-baseline-") as folder:
            after = Lookout(scene.cluster, Path(folder), filled, namespace="team-a", server=scene.front)
            await after.until(lambda seen: seen.all_held, MOST_ROUNDS)
            allowed = {q.text for q, seen in after.book.standings.items() if seen.reason is Reason.ALLOWED}
            assert allowed >= {"list configmaps", "get configmaps/sentinel-beacon", "list pods"}
            assert not [seen for seen in after.book.standings.values() if seen.breach]
            assert set(after.now.breach_since.values()) == {0.0}


def test_the_keys_of_the_cluster_are_not_proposed_but_shown_with_a_warning(scene: Ground) -> None:
    reads = manifests.rule(["list"], ["secrets"])
    with granted(scene, *manifests.grant("kube-system", "keys", WHO, reads)):
        said = proposed(scene.look)

    assert said.returncode == 0, said.stderr
    assert yaml.safe_load(said.stdout)["isolation"]["allow"] is None
    assert "# WARNING" in said.stdout
    assert '# - from: "team-a"' in said.stdout


def test_where_nothing_is_open_nothing_is_proposed(scene: Ground) -> None:
    said = proposed(scene.look)

    assert (said.returncode, said.stdout) == (0, "# Nothing was let in: no exception is needed.\n")


@pytest.mark.parametrize(
    ("words", "told"),
    [(("--for", "soon"), "expected a duration"), (("--for", "1m", "--once"), "exclude each other")],
)
def test_wrong_words_are_refused_with_a_sentence(scene: Ground, words: tuple[str, ...], told: str) -> None:
    said = proposed(scene.look, *words)

    assert said.returncode == 2
    assert told in said.stderr
