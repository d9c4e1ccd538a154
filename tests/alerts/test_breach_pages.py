"""What the pages about breaches say, word by word, in the second in which each begins."""

from tests.alerts.pages import Pages, common, links
from tests.alerts.table import At, Given, since
from tests.alerts.test_breach_records import ALONE, HEARD, NET, NODES, hole

BREACH = "SentinelIsolationBreach"
SLOT = 60
"""Nothing here waits."""
PEOPLE: dict[str, Given] = {
    'sentinel:expected_tenant{tenant="a",owner="Payments",contact="#payments"}': 1,
    'sentinel:expected_target{target="b",target_tenant="b",owner="Search",contact="#search"}': 1,
}
TENANT_TOLD = {"owner": "Payments", "contact": "#payments"}
TARGET_TOLD = {"target_owner": "Search", "target_contact": "#search"}

OF_A_SENTINEL = (
    "The request, its Audit-Id and the command that repeats it are in the log of that sentinel. It ends by proof only: two "
    "rounds in which the same question is denied."
)
OF_THE_API = (
    "The request, its Audit-Id and the command that repeats it are in the log of whoever saw it. It ends by the witness's "
    "proof only: two rounds of its own in which the same question is denied."
)
OF_THE_NETWORK = (
    "What was sent, who answered and the command that repeats it are in the log of the tenant's sentinel. It ends by that "
    "sentinel's own proof only, since nobody else can stand where it stands: two rounds in which the same question is "
    "closed."
)
OF_A_GATEWAY = (
    "Whose mark it bore, where, and the request's id are in the log of whoever got it. It ends by proof only: two answers "
    "of that gateway in a row, whole, with the asker's own mark and nobody else's."
)


def named(labels: str) -> dict[str, str]:
    return {name: text.strip('"') for name, text in (one.split("=") for one in labels.strip("{}").split(","))}


def told(labels: str, *who: str) -> dict[str, Given]:
    """It stands, and these see it now."""
    sees: dict[str, Given] = {f'sentinel:breach_since:told{labels[:-1]},seen_by="{one}"}}': since(-20) for one in who}
    return PEOPLE | sees | {f"sentinel:breach_since:latched{labels}": since(0, At(-3))}


def breach(pages: Pages, labels: str, people: dict[str, str], description: str, *who: str) -> None:
    of = named(labels)
    query = f"?var-tenant={of['tenant']}&var-target={of['target'].replace('*', '%2A').replace('/', '%2F')}"
    texts = links(BREACH, query) | people
    texts |= {"summary": "A tenant is let in where it must be denied.", "description": description}
    pages.begins(BREACH, told(labels, *who), common(BREACH, "critical", **of), texts)


def test_a_breach_names_both_sides_and_since_when() -> None:
    pages = Pages(ALONE, slot=SLOT)
    what = f"(check api/secrets), since {At(-3)}. {OF_A_SENTINEL}"

    let_in = f"Tenant a, asking as identity self, gets into namespace b {what}"
    breach(pages, hole(), TENANT_TOLD | TARGET_TOLD, let_in)
    everywhere = f"Tenant a, asking as identity anonymous, gets into every namespace of the cluster {what}"
    breach(pages, hole(target="*", identity="anonymous"), TENANT_TOLD, everywhere)
    pages.judge()


def test_with_a_witness_it_says_who_sees_it_and_whose_proof_ends_it() -> None:
    pages = Pages(NODES, slot=SLOT)
    api = f"Tenant a, asking as identity self, gets into namespace b (check api/secrets), since {At(-3)}. {{}} {OF_THE_API}"
    for sees, who in (
        ("Seen now by the tenant's sentinel.", ["tenant"]),
        ("Seen now by the tenant's sentinel and the witness.", ["tenant", "witness"]),
        ("Nobody sees it now, and the witness has not proven it shut.", []),
    ):
        breach(pages, hole(), TENANT_TOLD | TARGET_TOLD, api.format(sees), *who)
    nobody = "Nobody sees it now, and the tenant's sentinel has not proven it shut."

    network = f"Tenant a, asking as identity self, gets into namespace b (check net/tcp), since {At(-3)}. {nobody}"
    breach(pages, NET, TENANT_TOLD | TARGET_TOLD, f"{network} {OF_THE_NETWORK}")

    heard = f"is given what gateway chat answered somebody else (check crosstalk), since {At(-3)}."
    breach(pages, HEARD, TENANT_TOLD, f"Tenant a {heard} {nobody} {OF_A_GATEWAY}")
    witness = "Nobody sees it now, and the witness has not proven it shut."
    of_it = HEARD.replace('"a"', '"witness"')
    breach(pages, of_it, {}, f"The witness {heard} {witness} {OF_A_GATEWAY}")
    pages.judge()


def warning(pages: Pages, series: str, labels: dict[str, str], places: tuple[str, str], texts: dict[str, str]) -> None:
    """About namespace b, then about the whole cluster; `places` are their words."""
    for target, place, people in (("b", places[0], TARGET_TOLD), ("*", places[1], {})):
        of = labels | {"tenant": "a", "target": target}
        alert = of.pop("alertname")
        given = ",".join(f'{name}="{text}"' for name, text in of.items())
        said = links(alert, f"?var-tenant=a&var-target={target.replace('*', '%2A')}") | TENANT_TOLD | people
        said |= texts | {"description": texts["description"].format(place)}
        begun = PEOPLE | {f"{series}{{{given}}}": since(0, At(-3))}
        pages.begins(alert, begun, common(alert, "warning", **of), said)


def test_what_is_no_breach_yet_is_named_with_where_and_since_when() -> None:
    pages = Pages(NODES, slot=SLOT)
    namespace = ("namespace b", "the whole cluster")

    warning(
        pages,
        "sentinel:review_only:since_timestamp",
        {"alertname": "SentinelReviewOnly"},
        namespace,
        {
            "summary": "A tenant holds a grant that cannot be tried without doing harm.",
            "description": "The rules review says that tenant a holds a grant in {} which sentinel will not use (escalate, "
            f"bind, writing a named object), first seen {At(-3)}. Nothing else will find it: look at it as you would at a "
            "breach.",
        },
    )
    warning(
        pages,
        "sentinel:latent_grant:since_timestamp",
        {"alertname": "SentinelLatentGrant"},
        namespace,
        {
            "summary": "A binding waits for a role that does not exist.",
            "description": "A binding names tenant a and a role that is missing, in {}, "
            f"first seen {At(-3)}. Whoever creates a role of that name opens the border.",
        },
    )
    warning(
        pages,
        "sentinel:unattributed_since:latched",
        {"alertname": "SentinelUnattributed", "check": "net/tcp"},
        ("the address of namespace b", "an address of the whole cluster"),
        {
            "summary": "A tenant is connected where it must be shut out, and nobody says by whom.",
            "description": f"Tenant a gets a connection at {{}} (check net/tcp), since {At(-3)}, from somebody who does not "
            "prove to be the beacon there. It is no proxy that answers for everybody: an address of nobody is not "
            "connected.",
        },
    )
    pages.judge()
