"""A tenant with several namespaces: each is a target of the others, and none is a target of its own."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from sentinel.core.record import Series
from tests.cluster.ground import MOST_ROUNDS, Ground
from tests.cluster.lookout import Lookout
from tests.deploy import chart
from tests.support import manifests


@pytest.fixture
def looks(ground: Ground) -> Iterator[dict[str, Lookout]]:
    """The sentinels of both tenants, with the chart's own files; team-b has two namespaces."""
    tenants = [
        {"name": "team-a", "namespaces": ["team-a"]},
        {"name": "team-b", "namespaces": ["team-b", "team-b-jobs"]},
    ]
    config = {"isolation": {"within": "50s", "sweep": "50s", "qps": 5000}}
    values = {"tenants": tenants, "timeScale": 0.02, "config": config, "monitor": {"enabled": False}}
    objects = chart.render(chart.values() | values)
    ground.cluster.admin.apply(manifests.namespace("team-b-jobs"), *objects)
    with ExitStack() as stack:
        made = {}
        for tenant in ("team-a", "team-b"):
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="sentinel-spaces-"))
            text = chart.configuration(objects, tenant)
            made[tenant] = Lookout(ground.cluster, Path(folder), text, namespace=tenant, server=ground.front)
        yield made
    ground.install()


async def test_both_are_watched_and_ones_own_are_not(ground: Ground, looks: dict[str, Lookout]) -> None:
    for look in looks.values():
        await look.until(lambda seen: seen.all_held, MOST_ROUNDS)
    assert set(looks["team-a"].plan.scope.targets) == {"team-b", "team-b-jobs", "kube-system", "sentinel-system"}
    assert set(looks["team-b"].plan.scope.targets) == {"team-a", "kube-system", "sentinel-system"}

    rule = manifests.rule(["list"], ["secrets"])
    subjects = [manifests.of_account("team-a"), manifests.of_account("team-b")]
    grants = [
        made
        for number, subject in enumerate(subjects)
        for made in manifests.grant("team-b-jobs", f"jobs-{number}", subject, rule)
    ]
    ground.cluster.admin.apply(*grants)
    try:
        series = Series("api/secrets", "self", "team-b-jobs")
        await looks["team-a"].until(lambda seen: seen.now.breach_since.get(series), 6)
        records = await looks["team-b"].until(lambda seen: seen.all_held, MOST_ROUNDS)
        assert not [record for record in records if record.standing.breach]
    finally:
        ground.cluster.admin.delete(*reversed(grants))
