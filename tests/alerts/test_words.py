"""What the pages say, word by word, with who is to be told."""

from tests.alerts.pages import common, links
from tests.alerts.world import FOREVER, World

BREACH = ("api/secrets", "self", "team-a")
PAYMENTS = {"owner": "Payments", "contact": "#payments-oncall"}


def test_a_dead_api_server_is_named_with_its_reason_and_then_with_its_recovery() -> None:
    world = World(until=900)
    world.everybody(outage=(300, 600))

    labels = common("SentinelApiUnreachable", "critical")
    said = "Half of the sentinels or more are inconclusive for the same reason, since 1970-01-01 00:05:00 +0000 UTC. %s No isolation is proven meanwhile, for any tenant."
    texts = links("SentinelApiUnreachable") | {
        "summary": "The API server gives the sentinels no answer that proves anything."
    }
    now, later = "Of 5 now: 5 say ready.", "They get answers again and prove what became overdue."
    world.annotated("SentinelApiUnreachable", 420, labels, texts | {"description": said % now})
    world.annotated("SentinelApiUnreachable", 700, labels, texts | {"description": said % later})
    world.judge()


def test_blindness_names_target_reasons_and_the_last_proof() -> None:
    world = World(until=600)
    world.sentinel("team-a", blind={"team-b": (310, FOREVER)}, reason="door")

    world.annotated(
        "SentinelBlind",
        490,
        common("SentinelBlind", "critical", tenant="team-a", target="team-b"),
        links("SentinelBlind", "?var-tenant=team-a&var-target=team-b")
        | PAYMENTS
        | {
            "summary": "A tenant's isolation is not proven any more.",
            "description": "The sentinel of tenant team-a works, but has not proven since 1970-01-01 00:05:00 +0000 UTC "
            "that this tenant is kept out of namespace team-b. Reasons: door. Whether the border holds is unknown.",
            "target_owner": "Search",
        },
    )
    world.judge()


def test_the_dead_and_the_never_seen_are_told_apart() -> None:
    world = World(until=900)
    world.sentinel("team-a", lives=[(-900, 600)])
    labels = common("SentinelDown", "critical", tenant="team-a")
    texts = (
        links("SentinelDown", "?var-tenant=team-a", board="self")
        | PAYMENTS
        | {"summary": "A tenant's sentinel is gone."}
    )
    said = (
        "The sentinel of tenant team-a gives no samples, %s. "
        "Nothing is proven for this tenant meanwhile; breaches that it had seen stay open."
    )
    world.annotated(
        "SentinelDown", 720, labels, texts | {"description": said % "last seen 1970-01-01 00:09:50 +0000 UTC"}
    )
    world.judge()

    world = World(until=300)
    world.sentinel("team-a", lives=[])
    world.annotated("SentinelDown", 120, labels, texts | {"description": said % "and was never seen"})
    world.judge()


def test_the_others_say_what_they_know() -> None:
    world = World(until=1000)
    world.sentinel("team-a", stalled_at=600)
    crash = [(-900, 300), (330, 500), (530, 700), (730, FOREVER)]
    world.sentinel(
        "team-b", lives=crash, more={'sentinel_wrong_identity{identity="self"}': lambda now: float(now >= 300)}
    )
    expiring = {'sentinel_token_expiry_timestamp_seconds{identity="self"}': lambda now: 900}
    world.sentinel("team-c", more={**expiring, "sentinel_journal_failing{}": lambda now: float(now >= 300)})
    edited = {'sentinel_config_last_reload_successful{file="edited"}': lambda now: float(now < 300)}
    world.sentinel("team-d", more=edited)
    flags = ("review_only", "latent_grant", "tripwire_incomplete")
    world.sentinel(
        "team-e", more={f'sentinel_{name}{{target="team-a"}}': lambda now: float(now >= 300) for name in flags}
    )

    world.annotated(
        "SentinelStale",
        660,
        common("SentinelStale", "critical", tenant="team-a"),
        links("SentinelStale", "?var-tenant=team-a", board="self")
        | PAYMENTS
        | {
            "summary": "A tenant's sentinel is alive and asks nothing.",
            "description": "The sentinel of tenant team-a answers scrapes, but finished its last round at "
            "1970-01-01 00:09:57 +0000 UTC. What it shows is old; nothing is proven meanwhile.",
        },
    )
    world.annotated(
        "SentinelWrongIdentity",
        340,
        common("SentinelWrongIdentity", "critical", tenant="team-b", identity="self"),
        links("SentinelWrongIdentity", "?var-tenant=team-b", board="self")
        | {
            "summary": "A sentinel asks as somebody else.",
            "description": "The API server calls identity self of tenant team-b by another name than the expected one, "
            "since 1970-01-01 00:05:30 +0000 UTC. Nothing it is told says anything about this tenant.",
            "owner": "Search",
        },
    )
    world.annotated(
        "SentinelTokenExpiring",
        820,
        common("SentinelTokenExpiring", "warning", tenant="team-c", identity="self"),
        links("SentinelTokenExpiring", "?var-tenant=team-c", board="self")
        | {
            "summary": "A sentinel's token is not being renewed.",
            "description": "The token of identity self of tenant team-c ends at 1970-01-01 00:15:00 +0000 UTC and "
            "should have been renewed before. From then on nothing is proven.",
        },
    )
    world.annotated(
        "SentinelConfigDrift",
        800,
        common("SentinelConfigDrift", "warning", tenant="team-d"),
        links("SentinelConfigDrift", "?var-tenant=team-d", board="self")
        | {
            "summary": "A sentinel does not run the configuration it was given.",
            "description": "The sentinel of tenant team-d runs another sentinel.yaml than the chart rendered, or "
            "refused a new one, since 1970-01-01 00:05:00 +0000 UTC. Somebody edited it, or an upgrade is stuck halfway.",
        },
    )
    world.annotated(
        "SentinelJournalFailing",
        400,
        common("SentinelJournalFailing", "warning", tenant="team-c", why="not written"),
        links("SentinelJournalFailing", "?var-tenant=team-c", board="self")
        | {
            "summary": "A journal is not kept.",
            "description": "The journal of the sentinel of tenant team-c is not written. What is proven is proven all the "
            "same, and pages; the evidence of it has a gap, or nobody outside vouches for it.",
        },
    )
    world.annotated(
        "SentinelRestarting",
        740,
        common("SentinelRestarting", "warning", tenant="team-b"),
        links("SentinelRestarting", "?var-tenant=team-b", board="self")
        | {
            "summary": "A sentinel keeps restarting.",
            "description": "The sentinel of tenant team-b has started anew 3 times within a quarter of an hour, last at "
            "1970-01-01 00:12:10 +0000 UTC. Each start begins its proofs from nothing.",
            "owner": "Search",
        },
    )
    world.annotated(
        "SentinelReviewOnly",
        300,
        common("SentinelReviewOnly", "warning", tenant="team-e", target="team-a"),
        links("SentinelReviewOnly", "?var-tenant=team-e&var-target=team-a")
        | {
            "summary": "A tenant holds a grant that cannot be tried without doing harm.",
            "description": "The rules review says that tenant team-e holds a grant in namespace team-a which sentinel "
            "will not use (escalate, bind, writing a named object), first seen 1970-01-01 00:05:00 +0000 UTC. "
            "Nothing else will find it: look at it as you would at a breach.",
            "target_owner": "Payments",
            "target_contact": "#payments-oncall",
        },
    )
    world.annotated(
        "SentinelLatentGrant",
        300,
        common("SentinelLatentGrant", "warning", tenant="team-e", target="team-a"),
        links("SentinelLatentGrant", "?var-tenant=team-e&var-target=team-a")
        | {
            "summary": "A binding waits for a role that does not exist.",
            "description": "A binding names tenant team-e and a role that is missing, in namespace team-a, first seen "
            "1970-01-01 00:05:00 +0000 UTC. Whoever creates a role of that name opens the border.",
            "target_owner": "Payments",
            "target_contact": "#payments-oncall",
        },
    )
    world.annotated(
        "SentinelTripwireIncomplete",
        360,
        common("SentinelTripwireIncomplete", "warning", tenant="team-e"),
        links("SentinelTripwireIncomplete", "?var-tenant=team-e")
        | {
            "summary": "The cluster's rules reviews are incomplete.",
            "description": "For tenant team-e the API server calls its rules review incomplete in 1 of its targets (among them "
            "team-a), for at least a minute: an authorizer does not list its rules. Grants made there are found by the "
            "sweep only, not within the promise.",
        },
    )
    world.judge()


def test_low_coverage_is_given_as_a_share() -> None:
    world = World(until=5000)
    world.sentinel("team-c", lives=[(-9000, FOREVER)], coverage=lambda now: 1.0 if now < 4000 else 0.97)

    world.annotated(
        "SentinelCoverageLow",
        4300,
        common("SentinelCoverageLow", "warning", tenant="team-c"),
        links("SentinelCoverageLow", "?var-tenant=team-c")
        | {
            "summary": "A sentinel does not prove all that it should.",
            "description": "The sentinel of tenant team-c has proven 97% of its questions in time, for at least five "
            "minutes. The status page names the others and why.",
        },
    )
    world.judge()


def test_a_page_with_a_witness_says_who_sees_it() -> None:
    world = World(until=700, tenants=2, witness=True)
    world.sentinel("team-b", breaches={BREACH: lambda now: 297 if 300 <= now < 400 else 0})
    seen = {("team-b", *BREACH): lambda now: 299 if 310 <= now < 500 else None}
    world.witness(breaches=seen)

    labels = {"tenant": "team-b", "target": "team-a", "check": "api/secrets", "identity": "self"}
    said = (
        "Tenant team-b, asking as identity self, gets into namespace team-a (check api/secrets), since "
        "1970-01-01 00:04:57 +0000 UTC. %s The request, its Audit-Id and the command that repeats it are in the log of "
        "whoever saw it. It ends by the witness's proof only: two rounds of its own in which the same question is denied."
    )
    who = {
        300: "Seen now by the tenant's sentinel.",
        350: "Seen now by the tenant's sentinel and the witness.",
        450: "Seen now by the witness.",
        600: "Nobody sees it now, and the witness has not proven it shut.",
    }
    for at, sees in who.items():
        texts = links("SentinelIsolationBreach", "?var-tenant=team-b&var-target=team-a") | {
            "summary": "A tenant is let in where it must be denied.",
            "description": said % sees,
            "owner": "Search",
            "target_owner": "Payments",
            "target_contact": "#payments-oncall",
        }
        world.annotated("SentinelIsolationBreach", at, common("SentinelIsolationBreach", "critical", **labels), texts)
    world.judge()


def test_the_witness_s_alerts_say_what_is_not_known_meanwhile() -> None:
    world = World(until=700, tenants=2, witness=True)
    world.sentinel("team-b", breaches={BREACH: lambda now: 0})
    world.witness(
        lives=[(-900, 500)],
        breaches={("team-b", *BREACH): lambda now: 299 if now >= 300 else 0},
        blind={("team-a", "team-b"): (-180, FOREVER)},
        stalled={"team-b": 350},
        more={
            'sentinel_watch_up{kind="Role"}': lambda now: 0.0,
            'sentinel_accounts_unwatched{subject="team-a",of="more"}': lambda now: 3.0,
        },
    )
    of_a, of_b = "?var-tenant=team-a", "?var-tenant=team-b"

    labels = {"tenant": "team-b", "target": "team-a", "check": "api/secrets", "identity": "self", "seen_by": "witness"}
    world.annotated(
        "SentinelDisagreement",
        450,
        common("SentinelDisagreement", "warning", **labels),
        links("SentinelDisagreement", of_b + "&var-target=team-a")
        | {
            "summary": "A tenant's sentinel and the witness contradict each other.",
            "description": "The witness gets in, and the tenant's own sentinel says that it is kept out: tenant team-b, "
            "identity self, namespace team-a (check api/secrets, seen by the witness), since "
            "1970-01-01 00:05:00 +0000 UTC. The breach pages by itself; one of the two is wrong, or is lying.",
            "owner": "Search",
            "target_owner": "Payments",
            "target_contact": "#payments-oncall",
        },
    )
    world.annotated(
        "SentinelWitnessStale",
        450,
        common("SentinelWitnessStale", "critical", tenant="team-b"),
        links("SentinelWitnessStale", of_b, board="self")
        | {
            "summary": "The witness is alive and does not look at a tenant.",
            "description": "The witness answers scrapes, but finished its last round about tenant team-b at "
            "1970-01-01 00:05:47 +0000 UTC. Nobody checks meanwhile what this tenant's sentinel says, and no breach of "
            "this tenant can end.",
            "owner": "Search",
        },
    )
    world.annotated(
        "SentinelWatchBroken",
        100,
        common("SentinelWatchBroken", "warning", kind="Role"),
        links("SentinelWatchBroken", board="self")
        | {
            "summary": "The witness is not told of changes.",
            "description": "The witness's watch of Role is told nothing, for at least a minute. What opens is found by "
            "the rounds only, within the promise, and not at once.",
        },
    )
    world.annotated(
        "SentinelAccountsUnwatched",
        300,
        common("SentinelAccountsUnwatched", "warning", tenant="team-a"),
        links("SentinelAccountsUnwatched", of_a)
        | PAYMENTS
        | {
            "summary": "A tenant has accounts that nobody asks as.",
            "description": "3 ServiceAccounts in the namespaces of tenant team-a are asked as by nobody: a grant to one "
            "of them alone, across the border, is not found.",
        },
    )
    world.annotated(
        "SentinelWitnessDown",
        620,
        common("SentinelWitnessDown", "critical"),
        links("SentinelWitnessDown", board="self")
        | {
            "summary": "The witness is gone.",
            "description": "The witness gives no samples, last seen 1970-01-01 00:08:10 +0000 UTC. Breaches that the "
            "tenants' sentinels see page as ever, by the rules; nobody checks what they say, accounts and groups are not "
            "watched, and no breach can end, of which 1 stand now.",
        },
    )
    world.judge()


def test_the_witness_s_blindness_says_whose_word_is_left() -> None:
    world = World(until=700, tenants=2, witness=True)
    world.witness(blind={("team-a", "team-b"): (-180, FOREVER)})

    world.annotated(
        "SentinelWitnessBlind",
        690,
        common("SentinelWitnessBlind", "critical", tenant="team-a", target="team-b"),
        links("SentinelWitnessBlind", "?var-tenant=team-a&var-target=team-b")
        | PAYMENTS
        | {
            "summary": "The witness does not prove a tenant's isolation any more.",
            "description": "The witness works, but has not proven since 1969-12-31 23:51:00 +0000 UTC that tenant team-a "
            "is kept out of namespace team-b. Reasons: token. What is known is that tenant's own word, and no breach "
            "there can end.",
            "target_owner": "Search",
        },
    )
    world.judge()


def test_an_exception_is_named_with_who_wanted_it() -> None:
    wanted = {"from": "team-a", "to": "team-b", "verbs": ["get"], "resources": ["configmaps"], "reason": "rates"}
    allow = [wanted | {"owner": "Rates", "until": "1969-12-31"}]
    world = World(until=300, tenants=2, config={"isolation": {"allow": allow}})
    for tenant in ("team-a", "team-b"):
        world.sentinel(tenant, more={'sentinel_exception_unused{exception="team-a->team-b"}': lambda now: 1})

    for alert, severity, summary, description in (
        (
            "SentinelExceptionExpired",
            "warning",
            "A wanted grant across tenants is not wanted any more.",
            "The exception team-a->team-b of isolation.allow ended at 1970-01-01 00:00:00 +0000 UTC. If the grant is still "
            "there, it is a breach from then on, and pages as one.",
        ),
        (
            "SentinelExceptionUnused",
            "none",
            "A wanted grant across tenants is not there.",
            "All that the exception team-a->team-b of isolation.allow covers was denied for two sweeps, and no review lists "
            "it. Whoever makes such a grant later is not found: take the exception out.",
        ),
    ):
        texts = links(alert) | {"summary": summary, "description": description, "owner": "Rates"}
        world.annotated(alert, 120, common(alert, severity, exception="team-a->team-b"), texts)
    world.judge()


def test_types_that_are_not_asked_about_are_counted_and_their_tenant_is_told() -> None:
    world = World(until=300, tenants=2)
    world.sentinel("team-a", more={"sentinel_types_uncovered{}": lambda now: 2})

    alert = "SentinelTypesUncovered"
    texts = links(alert, "?var-tenant=team-a") | PAYMENTS
    texts |= {
        "summary": "There are types that a sentinel does not ask about.",
        "description": "The sentinel of tenant team-a has not asked about 2 types that the API server serves, for three "
        "minutes (new). Grants of them are found by the trip-wire only.",
    }
    world.annotated(alert, 180, common(alert, "warning", tenant="team-a", why="new"), texts)
    world.judge()
