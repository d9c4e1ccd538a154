"""What may happen in the middle of a round, at the worst moment."""

from tests.cluster.ground import MOST_ROUNDS, Ground
from tests.support import manifests
from tests.support.proxy import Answer, Forward, Request

EVERYBODY = manifests.of_group("system:serviceaccounts")


async def test_a_cluster_wide_hole_that_opens_within_a_round_is_one_breach_and_not_one_per_target(
    scene: Ground,
) -> None:
    look, admin = scene.look, scene.cluster.admin
    reads = manifests.rule(["get", "list", "watch"], ["secrets", "pods"])
    hole = [manifests.cluster_role("hole", reads), manifests.cluster_role_binding("hole", EVERYBODY)]
    await look.until(lambda seen: seen.all_held, MOST_ROUNDS)

    def opens_it(request: Request, forward: Forward) -> Answer:
        if "selfsubjectrulesreviews" in request.path and b"absent" not in request.body:
            admin.apply(*hole)
        return forward(request)

    scene.front.fault = opens_it
    try:
        await look.until(lambda seen: any(seen.now.breach_since.values()), MOST_ROUNDS)
        opened = {series.target: since for series, since in look.now.breach_since.items() if since}
        await look.rounds(3)
        later = {series.target: since for series, since in look.now.breach_since.items() if since}
    finally:
        admin.delete(*hole)

    assert set(opened) == {"*"}
    assert set(later) == {"*"}


async def test_somebody_else_is_no_breach_also_when_the_second_word_about_who_asks_is_lost(scene: Ground) -> None:
    look, admin = scene.look, scene.cluster.admin
    everything = manifests.rule(["*"], ["*"], groups=["*"])
    other = manifests.cluster_role_binding("other", manifests.of_account("team-a", "other"))
    admin.apply(manifests.cluster_role("other", everything), other)
    await look.until(lambda seen: seen.all_held, MOST_ROUNDS)
    asked = 0

    def names_us_once(request: Request, forward: Forward) -> Answer:
        nonlocal asked
        asked += "selfsubjectreviews" in request.path
        return forward(request) if asked <= 1 or "selfsubjectreviews" not in request.path else Answer(500)

    look.write_token(scene.cluster.token_for("team-a", "other"))
    scene.front.fault = names_us_once
    try:
        await look.rounds(1)
        now = look.now
    finally:
        admin.delete(other, manifests.cluster_role("other"))

    assert asked > 1, "a breach was in doubt"
    assert now.wrong_identity == {"self"}
    assert not any(now.breach_since.values())
