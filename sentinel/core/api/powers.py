"""What is as good as reading, as questions: shells, proxies, logs, tokens, other names, and the making of all these.

Two tables, for one namespace and for the whole cluster; what stands above the line is the gravest, and
is asked more often. The authorizer's own verbs are not asked by those who have no token: only an
account may have a review.
"""

from collections.abc import Iterator

from sentinel.core.api.question import Form, Question, at_cluster_scope, in_namespace, of_namespace
from sentinel.core.api.resources import Resource, named

_Row = tuple[str, Resource, str]

_INSIDE = """
create                        pods/exec serviceaccounts/token
--
get                           pods/log
watch patch deletecollection  secrets
impersonate                   serviceaccounts
get                           pods/exec pods/attach pods/portforward pods/proxy services/proxy
create                        pods/attach pods/portforward pods/proxy services/proxy
patch                         pods/ephemeralcontainers
escalate bind                 roles.rbac.authorization.k8s.io
create                        rolebindings.rbac.authorization.k8s.io
create patch                  endpoints endpointslices.discovery.k8s.io
create                        pods deployments.apps statefulsets.apps daemonsets.apps replicasets.apps
create                        jobs.batch cronjobs.batch replicationcontrollers
"""
_FOR_ALL = """
get                           nodes/proxy
impersonate                   users
create                        clusterrolebindings.rbac.authorization.k8s.io
--
create                        nodes/proxy pods pods/exec serviceaccounts/token
impersonate                   groups serviceaccounts
escalate bind                 clusterroles.rbac.authorization.k8s.io
patch                         clusterroles.rbac.authorization.k8s.io
create                        certificatesigningrequests.certificates.k8s.io
update                        certificatesigningrequests.certificates.k8s.io/approval
approve                       signers.certificates.k8s.io
create patch                  mutatingwebhookconfigurations.admissionregistration.k8s.io
create patch                  validatingwebhookconfigurations.admissionregistration.k8s.io
"""


def _parse(table: str) -> tuple[tuple[_Row, ...], tuple[_Row, ...]]:
    above, _, below = table.partition("--")
    return tuple(_rows(above)), tuple(_rows(below))


def _rows(table: str) -> Iterator[_Row]:
    for line in filter(None, table.split("\n")):
        verbs, _, kinds = line.partition("  ")
        for kind in kinds.split():
            label, _, subresource = kind.partition("/")
            yield from ((verb, named(label), subresource) for verb in verbs.split())


_GRAVEST_INSIDE, _REST_INSIDE = _parse(_INSIDE)
_GRAVEST_FOR_ALL, _REST_FOR_ALL = _parse(_FOR_ALL)


def gravest_inside(who: str, target: str, *, anonymous: bool) -> Iterator[Question]:
    """The gravest in one namespace."""
    return _askable(
        (in_namespace(who, verb, row, target, sub) for verb, row, sub in _GRAVEST_INSIDE), anonymous=anonymous
    )


def rest_inside(who: str, target: str, *, anonymous: bool) -> Iterator[Question]:
    """The rest there, the labels of the Namespace itself included: they decide which policies hold in it."""
    yield from _askable(
        (in_namespace(who, verb, row, target, sub) for verb, row, sub in _REST_INSIDE), anonymous=anonymous
    )
    yield of_namespace(who, "patch", target)


def gravest_for_all(who: str, *, anonymous: bool) -> Iterator[Question]:
    """The gravest of what concerns the whole cluster."""
    return _askable((at_cluster_scope(who, verb, row, sub) for verb, row, sub in _GRAVEST_FOR_ALL), anonymous=anonymous)


def rest_for_all(who: str, *, anonymous: bool) -> Iterator[Question]:
    """The rest of it."""
    return _askable((at_cluster_scope(who, verb, row, sub) for verb, row, sub in _REST_FOR_ALL), anonymous=anonymous)


def _askable(questions: Iterator[Question], *, anonymous: bool) -> Iterator[Question]:
    return (question for question in questions if not (anonymous and question.form is Form.REVIEW))
