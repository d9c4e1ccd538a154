"""Types that somebody installs: covered without a restart, on the real API server, and forgotten when they go."""

import asyncio
from collections.abc import Iterator

import pytest
import yaml

from sentinel.core.answer import Answer
from sentinel.core.api.question import Question
from sentinel.core.record import Series
from sentinel.core.standing import Turn
from sentinel.core.verdict import Reason, State
from tests.cluster.ground import MOST_ROUNDS, Ground
from tests.cluster.lookout import Lookout
from tests.deploy.chart import Object
from tests.parts.find import find
from tests.support import aggregated
from tests.support.aggregated import AggregatedApi
from tests.support.breaches import question_of
from tests.support.eventually import eventually
from tests.support.ports import free_port

SERIES = Series("api/custom", "self", "team-b")
CARTS = "carts.shop.example.com"


def definition(plural: str = "carts", kind: str = "Cart") -> Object:
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.shop.example.com"},
        "spec": {
            "group": "shop.example.com",
            "scope": "Namespaced",
            "names": {"plural": plural, "singular": kind.lower(), "kind": kind},
            "versions": [version],
        },
    }


def chaos(plural: str) -> Object:
    """A real one, as its project ships it."""
    return dict(yaml.safe_load(find(f"chaos-mesh.org_{plural}.yaml").read_text()))


@pytest.fixture
def quiet(scene: Ground) -> Iterator[Ground]:
    """Discovery is read in each round, and what a test installed is gone when it is over."""
    scene.look.runner.probe.discovery = 0.0  # type: ignore[attr-defined]
    yield scene
    scene.cluster.admin.delete(definition(), chaos("podchaos"))
    eventually(lambda: not is_served(scene, "/apis/shop.example.com/v1"), 30.0, "the definition is gone")


def is_served(scene: Ground, root: str) -> bool:
    return scene.cluster.admin.request("GET", root).status == 200


async def install(scene: Ground, *definitions: Object) -> None:
    scene.cluster.admin.apply(*definitions)
    for made in definitions:
        spec = made["spec"]
        root = f"/apis/{spec['group']}/{spec['versions'][0]['name']}"
        await asyncio.to_thread(eventually, lambda root=root: is_served(scene, root), 30.0, f"{root} is served")


def planned(look: Lookout, label: str) -> list[Question]:
    return [question for question in look.book.plan.questions if question.resource.label == label]


def is_covered(look: Lookout, label: str) -> bool:
    known = look.book.standings
    asked = planned(look, label)
    return bool(asked) and all(question in known and known[question].state is State.HELD for question in asked)


def reader(plural: str = "carts", group: str = "shop.example.com") -> list[Object]:
    rule = {"apiGroups": [group], "resources": [plural], "verbs": ["list"]}
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"namespace": "team-b", "name": "carts"},
        "rules": [rule],
    }
    binding = role | {
        "kind": "RoleBinding",
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "carts"},
        "subjects": [{"kind": "ServiceAccount", "namespace": "team-a", "name": "sentinel"}],
    }
    del binding["rules"]
    return [role, binding]


async def test_a_definition_of_ones_own_and_one_of_chaos_mesh_are_covered_without_a_restart(quiet: Ground) -> None:
    look = quiet.look
    await look.until(lambda seen: seen.all_held, MOST_ROUNDS)
    assert look.metrics().value("sentinel_types_discovered") == 0.0

    await install(quiet, definition(), chaos("podchaos"))
    await look.rounds()
    assert look.metrics().value("sentinel_types_discovered") == 2.0
    assert look.metrics().value("sentinel_types_uncovered") == 2.0
    assert {q.target for q in planned(look, CARTS) if q.identity == "self"} == {
        "team-b",
        "kube-system",
        "sentinel-system",
        "*",
    }

    both = (CARTS, "podchaos.chaos-mesh.org")
    await look.until(lambda seen: all(is_covered(seen, label) for label in both), 6)
    assert look.metrics().value("sentinel_types_uncovered") == 0.0
    await look.until(lambda seen: seen.all_held, 6)


async def test_a_grant_of_an_installed_type_is_a_breach_of_its_own_class_and_closes_by_proof(quiet: Ground) -> None:
    look = quiet.look
    await install(quiet, definition())
    await look.until(lambda seen: is_covered(seen, CARTS), MOST_ROUNDS)
    quiet.cluster.admin.apply(*reader())
    try:
        await look.until(lambda seen: seen.now.breach_since.get(SERIES), 6)
        (opened,) = [q for q, seen in look.book.standings.items() if seen.breach is not None]
        assert (opened.text, opened.target) == (f"list {CARTS}", "team-b")
        assert look.book.standings[opened].breach.code == 406  # type: ignore[union-attr]
    finally:
        quiet.cluster.admin.delete(*reader())

    await look.until(lambda seen: seen.now.breach_since.get(SERIES) == 0.0, 10)


async def test_a_removed_type_is_asked_no_more_and_its_breach_is_forgotten_with_a_word(quiet: Ground) -> None:
    look = quiet.look
    await install(quiet, definition())
    await look.until(lambda seen: is_covered(seen, CARTS), MOST_ROUNDS)
    quiet.cluster.admin.apply(*reader())
    await look.until(lambda seen: seen.now.breach_since.get(SERIES), 6)
    quiet.cluster.admin.delete(*reversed(reader()))
    quiet.cluster.admin.delete(definition())
    await asyncio.to_thread(eventually, lambda: not is_served(quiet, "/apis/shop.example.com/v1"), 30.0, "it is gone")

    await look.rounds(2)
    asked = [question_of(record).resource.label for record in await look.rounds()]
    assert CARTS not in asked
    assert not planned(look, CARTS)
    assert look.now.breach_since[SERIES] > 0

    # A quarter of an hour later; nothing else of the clock is read in between.
    (open_,) = [q for q, seen in look.book.standings.items() if seen.breach is not None]
    later = (look.book.standings[open_].last_asked or 0.0) + 901.0
    look.book.agenda(10_000, later)
    gone = [r for r in look.records if r.change is not None and r.change.turn is Turn.FORGOTTEN]
    assert [record.question for record in gone] == [open_]
    assert (await look.rounds()) is not None
    assert look.now.breach_since[SERIES] == 0.0


def lead_to(scene: Ground, api: AggregatedApi, port: int) -> None:
    """Where the front believes the backend to be; where nobody listens, it is away."""
    service, registration = api.service, api.registration
    service["spec"]["ports"] = [{"port": port}]
    registration["spec"]["service"]["port"] = port
    scene.cluster.admin.apply(service, registration)
    works = 200 if port == api.backend.port else 503
    list_ = f"{api.root}/namespaces/team-b/{aggregated.PLURAL}"
    eventually(lambda: scene.cluster.admin.request("GET", list_).status == works, 60.0, "the front knows it")


class TestAggregated:
    LABEL = f"{aggregated.PLURAL}.{aggregated.GROUP}"

    async def test_it_is_covered_and_nothing_of_it_is_ever_asked_of_the_backend_while_it_is_denied(
        self, quiet: Ground
    ) -> None:
        with AggregatedApi(quiet.cluster) as api:
            await quiet.look.until(lambda seen: is_covered(seen, self.LABEL), MOST_ROUNDS)
            assert api.reads() == []

    @pytest.mark.parametrize("serve", ["honours", "ignores", "forges"])
    async def test_a_grant_is_a_breach_whatever_its_backend_answers(self, quiet: Ground, serve: str) -> None:
        answers = {
            "honours": aggregated.honours_accept,
            "ignores": aggregated.ignores_accept,
            "forges": aggregated.forges_denial("system:serviceaccount:team-a:sentinel"),
        }
        role = reader(aggregated.PLURAL, aggregated.GROUP)
        with AggregatedApi(quiet.cluster, answers[serve]):
            await quiet.look.until(lambda seen: is_covered(seen, self.LABEL), MOST_ROUNDS)
            quiet.cluster.admin.apply(*role)
            try:
                await quiet.look.until(lambda seen: seen.now.breach_since.get(SERIES), 8)
                # An answer with data is cut off, and must not cost what else is asked.
                await quiet.look.rounds()
                blinded = [r for r in await quiet.look.rounds(2) if r.verdict.reason is Reason.RECONNECT]
                assert not blinded
            finally:
                quiet.cluster.admin.delete(*role)
            await quiet.look.until(lambda seen: seen.now.breach_since.get(SERIES) == 0.0, 12)

    async def test_a_backend_that_is_away_is_no_removal_and_its_503_is_the_front_that_lets_in(
        self, quiet: Ground
    ) -> None:
        look = quiet.look
        role = reader(aggregated.PLURAL, aggregated.GROUP)
        with AggregatedApi(quiet.cluster) as api:
            await look.until(lambda seen: is_covered(seen, self.LABEL), MOST_ROUNDS)
            lead_to(quiet, api, free_port())
            try:
                await install(quiet, definition())
                await look.until(lambda seen: is_covered(seen, CARTS), 10)
                assert planned(look, self.LABEL)
                quiet.cluster.admin.apply(*role)
                records = await look.until(lambda seen: seen.now.breach_since.get(SERIES), 8)
                served = [r.observation.code for r in records if r.observation.answer is Answer.SERVED]
                assert served[0] == 503
                assert not [r for r in records if r.verdict.reason is Reason.TYPE]
            finally:
                quiet.cluster.admin.delete(*role)
                lead_to(quiet, api, api.backend.port)
