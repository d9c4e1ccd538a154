"""What a distribution of Kubernetes grants to every account, besides what Kubernetes itself does.

Only what its own source says, tuple by tuple. It is read as exceptions that nobody has to write; a
rule that is wider by one verb is a suspicion as before.
"""

from sentinel.core.api.allowed import AUTHENTICATED, EVERYBODY, Allowance

# openshift/openshift-apiserver, pkg/bootstrappolicy/policy.go at 0f9edf3f (release 4): the cluster
# roles that GetOpenshiftBootstrapClusterRoleBindings binds to system:authenticated (a) and to
# system:unauthenticated too (e). Roles that other operators aggregate into basic-user are not here.
_OPENSHIFT = """
a  basic-user             get             users.user.openshift.io users                                     ~
a  basic-user             list            projectrequests.project.openshift.io projectrequests
a  basic-user             get,list        clusterroles.authorization.openshift.io clusterroles
a  basic-user             get,list,watch  clusterroles.rbac.authorization.k8s.io
a  basic-user             get,list        storageclasses.storage.k8s.io
a  basic-user             list,watch      projects.project.openshift.io projects
e  self-access-reviewer   create          selfsubjectrulesreviews.authorization.openshift.io selfsubjectrulesreviews
e  self-access-reviewer   create          selfsubjectaccessreviews.authorization.k8s.io
e  oauth-token-deleter    delete          oauthaccesstokens.oauth.openshift.io oauthaccesstokens
e  oauth-token-deleter    delete          oauthauthorizetokens.oauth.openshift.io oauthauthorizetokens
e  webhook                get,create      buildconfigs.build.openshift.io/webhooks buildconfigs/webhooks
a  build-strategy         create          builds.build.openshift.io/docker builds/docker
a  build-strategy         create          builds.build.openshift.io/optimizeddocker builds/optimizeddocker
a  build-strategy         create          builds.build.openshift.io/source builds/source
a  build-strategy         create          builds.build.openshift.io/jenkinspipeline builds/jenkinspipeline
e  scope-impersonation    impersonate     userextras.authentication.k8s.io/scopes.authorization.openshift.io
"""

_TABLES = {"none": "", "openshift": _OPENSHIFT}

DISTRIBUTIONS = tuple(_TABLES)
"""The words of `isolation.distribution`. Of EKS, GKE and AKS nothing is known beyond Kubernetes' own."""


def grants(distribution: str) -> tuple[Allowance, ...]:
    """What this distribution grants to all, at cluster scope and so everywhere."""
    rows = [line.split() for line in _TABLES[distribution].splitlines() if line]
    return tuple(_allowance(distribution, number, row) for number, row in enumerate(rows, start=1))


def _allowance(distribution: str, number: int, row: list[str]) -> Allowance:
    who, role, verbs, *rest = row
    names = frozenset(rest[-1:]) if rest[-1] == "~" else frozenset[str]()
    return Allowance(
        name=f"{distribution} #{number}",
        source=AUTHENTICATED if who == "a" else EVERYBODY,
        target="*",
        verbs=frozenset(verbs.split(",")),
        resources=tuple(word for word in rest if word not in names),
        names=names,
        reason=f"role {role} is bound to every account",
        owner=distribution,
        builtin=True,
    )
