"""What an audit log and a ledger say together, decided from values; and what is read from hostile text."""

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.core import alerted
from sentinel.core.api import audit, ledger, spoken
from sentinel.core.api.audit import Odd, Sifted, Wanted
from sentinel.core.api.ledger import Asked, Form, Ledger, Written
from sentinel.core.api.question import Question
from sentinel.core.api.rbac import Binding, Made, Path, Rbac, Role, Rule, Subject
from sentinel.core.api.remedy import closings, group_of, shell
from sentinel.core.api.resources import SECRETS

PROCESS = "0123456789ab"
USER = "system:serviceaccount:team-a:sentinel"
EVE = "system:serviceaccount:team-b:eve"
PATH = "/api/v1/namespaces/team-b/secrets?limit=1"
FORM = Form(USER, "", "GET", PATH)
REASON = 'RoleBinding "x/team-b" of Role "x" to Group "g"'
NOON = 1795262400.0


def event(number: int = 1, **changed: Any) -> dict[str, Any]:
    base = {
        "kind": "Event",
        "auditID": f"sentinel-{PROCESS}-{number}",
        "stage": "ResponseComplete",
        "requestURI": PATH,
        "verb": "list",
        "user": {"username": USER},
        "sourceIPs": ["10.0.0.1"],
        "userAgent": "tenant-sentinel/0.1.0",
        "objectRef": {"resource": "secrets", "namespace": "team-b"},
        "responseStatus": {"code": 403},
        "requestReceivedTimestamp": "2026-11-21T12:00:00.000000Z",
        "annotations": {"authorization.k8s.io/decision": "forbid", "authorization.k8s.io/reason": ""},
    }
    return base | changed


GRANTED = {"authorization.k8s.io/decision": "allow", "authorization.k8s.io/reason": f"RBAC: allowed by {REASON}"}


def kept(*asked: Asked, since: float = NOON - 60, until: float = NOON + 60) -> Ledger:
    made = Ledger()
    row = ledger.row(PROCESS, since, {1: FORM, 2: FORM._replace(path="/other")}, asked)
    line = ledger.parse(json.loads(json.dumps(row)), until)
    assert line is not None
    made.take(line)
    return made


def sifted(*events: Any, wanted: Wanted | None = None, book: Ledger | None = None) -> Sifted:
    wanted = wanted or Wanted(users=frozenset({USER}), own=frozenset({USER}))
    found = Sifted(wanted, book)
    audit.sift([json.dumps(one) if isinstance(one, dict) else one for one in events], [found])
    return found


def odd(*events: Any, book: Ledger | None = None) -> dict[Odd, int]:
    return dict(sifted(*events, book=book or kept(Asked(1, 1, 403), Asked(2, 1, 403), Asked(9, 1, 403))).found)


def test_what_is_in_the_ledger_once_and_the_same_is_nothing() -> None:
    assert odd(event(1), event(2)) == {}


@pytest.mark.parametrize(
    ("strange", "why"),
    [
        (event(auditID="6f0e0f2c-0000-4000-8000-000000000000"), Odd.UNKNOWN),
        (event(auditID="sentinel-ffffffffffff-1"), Odd.UNKNOWN),
        (event(auditID=f"sentinel-{PROCESS}-1x"), Odd.UNKNOWN),
        (event(auditID=""), Odd.UNKNOWN),
        (event(5), Odd.LOST),
        (event(10), Odd.LOST),
        (event(requestURI="/api/v1/secrets"), Odd.OTHER),
        (event(verb="deletecollection"), Odd.OTHER),
        (event(impersonatedUser={"username": "root"}), Odd.OTHER),
    ],
)
def test_anything_else_in_our_name_is_a_finding(strange: dict[str, Any], why: Odd) -> None:
    assert odd(strange) == {why: 1}


def test_a_refused_impersonation_leaves_no_trace_of_whom_and_one_that_worked_does() -> None:
    made = Ledger()
    line = ledger.parse(
        ledger.row(PROCESS, NOON - 60, {1: FORM._replace(impersonated="x")}, [Asked(1, 1, 403)]), NOON + 60
    )
    assert line is not None
    made.take(line)

    assert odd(event(1), book=made) == {}
    assert odd(event(1, impersonatedUser={"username": "x"}, responseStatus={"code": 201}), book=made) == {}
    assert odd(event(1, impersonatedUser={"username": "y"}), book=made) == {Odd.OTHER: 1}
    assert odd(event(1, responseStatus={"code": 201}), book=made) == {Odd.OTHER: 1}


def test_a_second_request_with_the_same_id_is_a_finding_and_the_second_event_of_a_watch_is_none() -> None:
    begun = event(1, stage="ResponseStarted")

    assert odd(begun, event(1)) == {}
    assert odd(event(1), event(1)) == {Odd.TWICE: 1}
    assert odd(begun, begun) == {Odd.TWICE: 1}


def test_what_we_asked_after_the_ledger_was_read_is_claimed_and_no_use() -> None:
    book = kept(Asked(1, 1, 403), Asked(4, 1, 403), until=NOON - 5)

    wanted = Wanted(users=frozenset({USER, "system:anonymous"}), own=frozenset({USER}))
    nobody = event(6, annotations=GRANTED, user={"username": "system:anonymous"})

    found = sifted(event(5, annotations=GRANTED), nobody, wanted=wanted, book=book)

    assert (found.used, found.claimed, found.uncovered, dict(found.found)) == (0, 2, 1, {})


@pytest.mark.parametrize(
    "stranger",
    [
        event(3, annotations=GRANTED),
        event(5, annotations=GRANTED, auditID="sentinel-ffffffffffff-5"),
        event(5, annotations=GRANTED, auditID="6f0e0f2c-0000-4000-8000-000000000000"),
        event(5, annotations=GRANTED, user={"username": EVE}),
        event(5, annotations=GRANTED, requestReceivedTimestamp="2026-11-21T11:59:50.000000Z"),
    ],
)
def test_only_our_own_next_number_after_the_ledger_is_claimed(stranger: dict[str, Any]) -> None:
    wanted = Wanted(users=frozenset({USER, EVE}), own=frozenset({USER}))
    book = kept(Asked(1, 1, 403), Asked(4, 1, 403), until=NOON - 5)

    found = sifted(stranger, wanted=wanted, book=book)

    assert (found.used, found.claimed) == (1, 0)


def test_what_came_when_no_ledger_was_kept_is_counted_and_not_accused() -> None:
    book = kept(Asked(1, 1, 403), since=NOON + 10)

    found = sifted(event(77), book=book)

    assert (found.uncovered, dict(found.found)) == (1, {})


def test_a_grant_of_ours_is_ours_only_with_the_very_request_in_the_ledger() -> None:
    mine, other = event(1, annotations=GRANTED), event(1, annotations=GRANTED, requestURI="/api/v1/secrets")
    stranger = event(1, annotations=GRANTED, user={"username": EVE})
    wanted = Wanted(users=frozenset({USER}), reasons=(REASON,), own=frozenset({USER}))
    book = kept(Asked(1, 1, 406))

    assert (sifted(mine, wanted=wanted, book=book).used, sifted(mine, wanted=wanted, book=book).ours) == (0, 1)
    assert sifted(other, wanted=wanted, book=book).used == 1
    assert sifted(stranger, wanted=wanted, book=book).used == 1


def test_a_use_is_granted_there_in_time_by_them_or_through_the_binding() -> None:
    def used(**changed: Any) -> int:
        return sifted(event(auditID="x", annotations=GRANTED, **changed), wanted=WANTED).used

    assert used() == 1
    assert used(user={"username": EVE}) == 1
    assert used(objectRef={"resource": "secrets", "namespace": "team-c"}) == 0
    assert used(requestReceivedTimestamp="2026-11-21T11:00:00Z") == 0
    assert used(requestReceivedTimestamp="2026-11-21T13:00:00Z") == 0
    assert sifted(event(auditID="x"), wanted=WANTED).used == 0


WANTED = Wanted(frozenset({USER}), (REASON,), frozenset({"team-b"}), NOON - 60, NOON + 60)


def test_who_is_impersonated_is_who_reads() -> None:
    other = {"authorization.k8s.io/decision": "allow", "authorization.k8s.io/reason": "RBAC: allowed by another"}
    detour = event(auditID="x", annotations=other, user={"username": EVE}, impersonatedUser={"username": USER})

    assert sifted(detour, wanted=WANTED).used == 1
    assert sifted(detour | {"impersonatedUser": {"username": "root"}}, wanted=WANTED).used == 0


def test_a_watch_that_still_runs_counts_and_one_that_ended_counts_once() -> None:
    begun = event(auditID="w", verb="watch", stage="ResponseStarted", annotations=GRANTED)

    assert sifted(begun, wanted=WANTED).used == 1
    assert sifted(begun, begun | {"stage": "ResponseComplete"}, wanted=WANTED).used == 1
    # The same id with another request in between is no end of it.
    assert sifted(begun, begun | {"stage": "ResponseComplete", "requestURI": "/x"}, wanted=WANTED).used == 2


def test_broken_lines_are_counted() -> None:
    found = sifted(
        "{", "[]", "3", '{"kind":"Event"}', '{"kind":"Event","auditID":"x","user":3}', event(requestReceivedTimestamp=None), event(1)
    )  # fmt: skip

    assert (found.lines, found.broken) == (7, 6)


@given(st.recursive(st.none() | st.integers() | st.text(max_size=5), lambda x: st.lists(x, max_size=3) | st.dictionaries(st.sampled_from(["user", "extra", "annotations", "objectRef", "stage"]), x, max_size=3)))  # fmt: skip
def test_any_line_is_an_event_or_broken(value: Any) -> None:
    for key in event():
        audit.parse(json.dumps(event() | {key: value}))
        audit.parse(json.dumps(value))


def test_what_is_shown_is_bounded_and_clean() -> None:
    many = [event(auditID=f"x{n}", annotations=GRANTED, user={"username": f"{EVE}{n}\x1b[2J"}) for n in range(6000)]

    found = sifted(*many, wanted=WANTED)

    assert (found.used, len(found.uses), len(found.kinds)) == (6000, audit.SHOWN, audit.MOST_KINDS)
    assert "\x1b" not in json.dumps(found.uses[0].as_json(), ensure_ascii=False)


# The ledger's lines.


@given(st.lists(st.tuples(st.integers(1, 400), st.integers(1, 30), st.sampled_from([403, 403, 403, 200, 406, 0])), unique_by=lambda row: row[0]))  # fmt: skip
def test_what_is_written_is_read_back_and_nothing_else(rows: list[tuple[int, int, int]]) -> None:
    asked = [Asked(*row) for row in rows]
    forms = {number: FORM._replace(path=f"/{number}") for number in range(1, 31)}
    line = ledger.parse(json.loads(json.dumps(ledger.row(PROCESS, 1.0, forms, asked))), 2.0)
    assert line is not None
    book = Ledger()
    book.take(line)

    there = {row.number: row for row in asked}
    for number in range(402):
        written, form, status = book.look(f"sentinel-{PROCESS}-{number}")
        if number in there:
            assert (written, form, status) == (Written.HERE, forms[there[number].form], there[number].status)
        else:
            assert written is (Written.LOST if asked else Written.NOT)


def test_lines_may_come_in_any_order_and_forms_from_another_line() -> None:
    numbers = range(1, 2001)
    lines = [ledger.row(PROCESS, n, {n % 7: FORM} if n < 8 else {}, [Asked(n, n % 7, 403)]) for n in numbers]
    random.Random(1).shuffle(lines)
    book = Ledger()
    for row in lines:
        line = ledger.parse(row, 5000.0)
        assert line is not None
        book.take(line)

    assert all(book.look(f"sentinel-{PROCESS}-{n}")[0] is Written.HERE for n in numbers)
    assert book.users == {USER}


@pytest.mark.parametrize(
    "row",
    [
        {}, {"forms": 3}, {"process": "x", "from": 1, "forms": {}, "asked": "1"},
        {"process": "x", "from": 1, "forms": {"a": FORM}, "asked": ""},
        {"process": "x", "from": 1, "forms": {"1": ["a"]}, "asked": ""},
        {"process": "x", "from": 1, "forms": {}, "asked": "1:5-2=403"},
        {"process": "x", "from": 1, "forms": {}, "asked": "1:2=403 x"},
        {"process": "x", "from": "y", "forms": {}, "asked": ""},
    ],
)  # fmt: skip
def test_a_broken_line_of_the_ledger_is_none(row: dict[str, Any]) -> None:
    assert ledger.parse(row, 1.0) is None


def test_a_number_that_somebody_wrote_into_a_ledger_costs_no_memory() -> None:
    found = sifted(event(10**15 - 1), event(10**15 - 1), book=kept(Asked(10**15 - 1, 1, 403)))

    assert dict(found.found) == {}


def test_rows_of_like_requests_are_written_as_one() -> None:
    row = ledger.row(PROCESS, 0.0, {}, [*(Asked(100 + n, 7 + n, 403) for n in range(50)), Asked(150, 2, 200)])

    assert row["asked"] == "100:7-56=403 2=200"


# What closes a way in.


def path_of(*subjects: Subject, meant: int = 0, made: Made = Made()) -> Path:  # noqa: B008
    rules = (Rule(("list",), ("",), ("secrets",)),)
    binding = Binding("RoleBinding", "team-b", "x", "Role", "x", subjects, made)
    return Path(binding, Role("Role", "team-b", "x", rules), subjects[meant], rules)


EVE_SUBJECT, GROUP = Subject("User", "eve"), Subject("Group", "system:serviceaccounts")


def test_the_whole_binding_goes_only_when_nobody_else_is_in_it() -> None:
    (alone,) = closings(Rbac(), [path_of(EVE_SUBJECT)])
    (among,) = closings(Rbac(), [path_of(EVE_SUBJECT, Subject("User", "kim"))])

    assert alone.commands == ("kubectl delete rolebinding/x -n team-b",)
    assert "patch rolebinding/x" in among.commands[0]
    assert '{"op":"remove","path":"/subjects/0"}' in among.commands[0]


def test_a_subject_that_is_in_it_twice_is_taken_out_twice_from_the_end() -> None:
    (closing,) = closings(Rbac(), [path_of(EVE_SUBJECT, Subject("User", "kim"), EVE_SUBJECT)])

    first, second = closing.commands[0].index("/subjects/2"), closing.commands[0].index("/subjects/0")
    assert first < second


def test_of_a_group_it_is_said_who_else_loses() -> None:
    (closing,) = closings(Rbac(), [path_of(GROUP)])

    assert closing.losers == ('every account of the cluster (Group "system:serviceaccounts")',)
    assert group_of("system:serviceaccounts:n").startswith("every account of namespace n")
    assert "everybody who comes without a token" in group_of("system:unauthenticated")


def test_who_wrote_it_by_machine_will_write_it_again() -> None:
    (closing,) = closings(Rbac(), [path_of(EVE_SUBJECT, made=Made(manager="argocd-controller"))])
    (by_hand,) = closings(Rbac(), [path_of(EVE_SUBJECT, made=Made(manager="kubectl-create"))])

    assert any("argocd-controller wrote it" in note for note in closing.notes)
    assert by_hand.notes == ()


@given(st.lists(st.text(), min_size=1, max_size=4))
def test_a_line_for_a_shell_is_printable_ascii(words: list[str]) -> None:
    assert shell(*words).isascii() and shell(*words).isprintable()


# Questions as people write them.


@pytest.mark.parametrize(
    ("what", "namespace", "label", "name"),
    [
        ("secrets", "team-b", "secrets", ""),
        ("secrets/beacon", "team-b", "secrets", "beacon"),
        ("deployments/web", "team-b", "deployments.apps", "web"),
        ("deployments.apps/web", "team-b", "deployments.apps", "web"),
        ("widgets.example.com", "team-b", "widgets.example.com", ""),
        ("roles.rbac.authorization.k8s.io", None, "roles.rbac.authorization.k8s.io", ""),
    ],
)
def test_a_resource_as_kubectl_takes_it(what: str, namespace: str | None, label: str, name: str) -> None:
    question = spoken.question("self", "get", what, namespace)

    assert (question.resource.label, question.name, question.namespace) == (label, name, namespace)


def test_a_question_is_read_back_as_it_is_told() -> None:
    for question in (
        Question("self", "list", SECRETS, "team-b", "team-b"),
        Question("self", "get", SECRETS, "team-b", "team-b", "beacon"),
        Question("self", "list", SECRETS, None, "*"),
        Question("self", "create", spoken.question("self", "x", "pods", "n").resource, "n", "n", "web", "exec"),
    ):
        assert spoken.told("self", question.text, question.target) == question
    assert spoken.told("self", "nonsense", "team-b") is None


def test_users_have_the_groups_that_the_api_server_gives_them() -> None:
    assert "system:serviceaccounts:team-a" in spoken.who(USER).groups
    assert spoken.who("system:anonymous").groups == ("system:unauthenticated",)
    assert spoken.who("eve", ("devs",)).groups == ("devs", "system:authenticated")
    assert spoken.who("system:serviceaccount:x").groups == ("system:authenticated",)


def test_the_binding_that_a_page_names_is_read_back_also_when_it_is_gone() -> None:
    text = (
        f'Evidence: HTTP 406. The API server says why: RBAC: allowed by {REASON}. It ends by proof only. allowed by "x"'
    )
    labels = {
        "alertname": "SentinelIsolationBreach",
        "tenant": "team-a",
        "target": "team-b",
        "identity": "self",
        "check": "c",
    }

    (found,) = alerted.alerts([{"labels": labels, "annotations": {"description": text}}])

    assert found.through == (REASON,)
