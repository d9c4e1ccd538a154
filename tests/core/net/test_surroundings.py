"""What a reply of a kubelet, of a metadata service and of a DNS server proves: every row."""

import pytest

from sentinel.core.answer import Answer
from sentinel.core.net import enumeration, kubelet, metadata
from sentinel.core.net.crossing import Family
from sentinel.core.net.enumeration import Heard, Look, NameQuestion
from sentinel.core.net.kubelet import NodeQuestion, Port
from sentinel.core.net.landing import TIMEOUT, Landing
from sentinel.core.net.metadata import CLOUDS, CloudQuestion

ZONE = "cluster.local"
NOT_ONE_OF_MINE = ("team-a", "team-a-jobs")


def replied(status, body="", *headers):
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", body]
    return Landing(100.0, 0.01, connected=True, reply="\r\n".join(lines).encode())


def ended(error, *, connected=False, took=2.0, late=0.0, reply=b""):
    return Landing(100.0, took, connected=connected, error=error, reply=reply, late=late)


UNAUTHORIZED = replied("401 Unauthorized", "Unauthorized")
FORBIDDEN = "Forbidden (user=system:anonymous, verb=get, resource=nodes, subresource=proxy)"
FORBIDDEN_136 = "Forbidden (user=system:anonymous, verb=get, resource=nodes, subresource(s)=[pods proxy])\n"


@pytest.mark.parametrize(
    ("landing", "secure", "read_only"),
    [
        (replied("200 OK", '{"kind":"PodList"}'), Answer.SERVED, Answer.SERVED),
        (replied("200 OK", "", "Transfer-Encoding: chunked"), Answer.SERVED, Answer.SERVED),
        (UNAUTHORIZED, Answer.DENIED, Answer.BROKEN),
        (replied("403 Forbidden", FORBIDDEN), Answer.DENIED, Answer.BROKEN),
        (replied("403 Forbidden", FORBIDDEN_136), Answer.DENIED, Answer.BROKEN),
        (replied("403 Forbidden", FORBIDDEN.replace("system:anonymous", "jane")), Answer.BROKEN, Answer.BROKEN),
        (replied("403 Forbidden", "<html>blocked by your firewall</html>"), Answer.BROKEN, Answer.BROKEN),
        (replied("401 Unauthorized", "<html>log in</html>"), Answer.BROKEN, Answer.BROKEN),
        (replied("302 Found", "", "Location: http://169.254.169.254/"), Answer.BROKEN, Answer.BROKEN),
        (replied("404 Not Found", "404 page not found"), Answer.BROKEN, Answer.BROKEN),
        (replied("429 Too Many Requests"), Answer.BROKEN, Answer.BROKEN),
        (replied("500 Internal Server Error", "Authorization error"), Answer.BROKEN, Answer.BROKEN),
        (ended("TLS", connected=True), Answer.BROKEN, Answer.BROKEN),
        (ended("", connected=True, reply=b"SSH-2.0-OpenSSH_9.9\r\n"), Answer.BROKEN, Answer.BROKEN),
        (ended("", connected=True, reply=b"HTTP/1.1 200"), Answer.BROKEN, Answer.BROKEN),
        (ended("", connected=True, reply=b"HTTP/9.9 200 OK\r\n\r\n"), Answer.BROKEN, Answer.BROKEN),
        (ended("", connected=True), Answer.BROKEN, Answer.BROKEN),
        (ended(TIMEOUT, connected=True), Answer.BROKEN, Answer.BROKEN),
        (ended("ECONNRESET", connected=True), Answer.BROKEN, Answer.BROKEN),
        (ended("ECONNREFUSED"), Answer.DENIED, Answer.DENIED),
        (ended("EHOSTUNREACH"), Answer.DENIED, Answer.DENIED),
        (ended("EACCES"), Answer.DENIED, Answer.DENIED),
        (ended(TIMEOUT), Answer.SILENT, Answer.SILENT),
        (ended(TIMEOUT, took=2.5, late=0.5), Answer.SILENT, Answer.SILENT),
        (ended(TIMEOUT, took=2.6, late=0.6), Answer.UNASKED, Answer.UNASKED),
        (ended("ENETUNREACH"), Answer.UNASKED, Answer.UNASKED),
        (ended("EPERM"), Answer.UNASKED, Answer.UNASKED),
        (ended("EMFILE"), Answer.UNASKED, Answer.UNASKED),
        (ended("EADDRNOTAVAIL"), Answer.UNASKED, Answer.UNASKED),
    ],
)
def test_a_kubelet_denies_in_its_own_words_or_not_at_all(landing, secure, read_only):
    assert kubelet.observe(landing, Port.SECURE).answer is secure
    assert kubelet.observe(landing, Port.READ_ONLY).answer is read_only


@pytest.mark.parametrize("status", ["200 OK", "301 Moved", "401 Unauthorized", "404 Not Found", "405 No", "500 Oops"])
def test_whatever_a_metadata_service_replies_it_is_reached(status):
    seen = metadata.observe(replied(status, "x"))

    assert (seen.answer, seen.code) == (Answer.SERVED, int(status[:3]))


@pytest.mark.parametrize(
    ("landing", "answer"),
    [
        (ended("ECONNREFUSED"), Answer.DENIED),
        (ended("EHOSTUNREACH"), Answer.DENIED),
        (ended(TIMEOUT), Answer.SILENT),
        (ended(TIMEOUT, connected=True), Answer.BROKEN),
        (ended("", connected=True, reply=b"garbage\x00\xff" * 400), Answer.BROKEN),
        (ended("ENETUNREACH"), Answer.UNASKED),
    ],
)
def test_a_metadata_service_that_does_not_speak_http_is_not_called_closed_once_it_took_the_connection(landing, answer):
    assert metadata.observe(landing).answer is answer


def test_no_cloud_is_asked_for_a_credential_or_for_what_users_keep_there():
    asked = [endpoint.path + endpoint.header for rows in CLOUDS.values() for endpoint in rows]

    words = ("credential", "token", "user-data", "userdata", "identity", "service-accounts", "kube-env", "password")
    assert not [line for line in asked if any(word in line.lower() for word in words)]


def test_every_cloud_that_may_be_declared_is_known():
    from sentinel.settings.surroundings import CLOUDS as DECLARED

    assert set(DECLARED) == set(CLOUDS)


@pytest.mark.parametrize(
    ("heard", "answer"),
    [
        (Heard(100.0, code="NOERROR", records=3), Answer.SERVED),
        (Heard(100.0, code="NOERROR", records=0), Answer.DENIED),
        (Heard(100.0, code="NXDOMAIN"), Answer.DENIED),
        (Heard(100.0, code="REFUSED"), Answer.DENIED),
        (Heard(100.0, code="NOTAUTH"), Answer.DENIED),
        (Heard(100.0, code="NOTIMP"), Answer.DENIED),
        (Heard(100.0, code="SERVFAIL"), Answer.BROKEN),
        (Heard(100.0, code="FORMERR"), Answer.BROKEN),
        (Heard(100.0, error=TIMEOUT), Answer.SILENT),
        (Heard(100.0, error="MALFORMED"), Answer.BROKEN),
        (Heard(100.0, error="ECONNRESET"), Answer.BROKEN),
        (Heard(100.0, error="ECONNREFUSED"), Answer.ABSENT),
        (Heard(100.0, error="ENETUNREACH"), Answer.UNASKED),
    ],
)
def test_a_dns_server_denies_by_a_code_and_never_by_failing(heard, answer):
    assert enumeration.observe(heard).answer is answer


GOOD, GONE = Heard(100.0, code="NOERROR", records=1), Heard(100.0, code="NXDOMAIN")


@pytest.mark.parametrize(
    ("controls", "absent", "sound"),
    [
        ([GOOD, GONE], GONE, True),
        ([Heard(100.0, code="NOERROR"), GOOD], GONE, True),
        ([GONE, GONE], GONE, False),
        ([Heard(100.0, error=TIMEOUT)], GONE, False),
        ([GOOD], GOOD, False),
        ([GOOD], Heard(100.0, code="SERVFAIL"), False),
    ],
)
def test_a_dns_server_that_knows_nothing_or_answers_everything_proves_nothing(controls, absent, sound):
    assert enumeration.is_sound(controls, absent) is sound


def named(*names):
    return Heard(100.0, code="NOERROR", records=len(names), names=names)


@pytest.mark.parametrize(
    ("heard", "answer"),
    [
        ([GONE, named("web.team-b.svc.cluster.local.")], Answer.SERVED),
        ([GONE, named("10-0-0-1.web.Team-B.svc.Cluster.Local.")], Answer.SERVED),
        ([named("web.team-a.svc.cluster.local.", "web.team-b.svc.cluster.local.")], Answer.SERVED),
        ([named("web.team-a.svc.cluster.local.")], Answer.DENIED),
        ([named("10-0-0-1.web.team-a-jobs.svc.cluster.local.")], Answer.DENIED),
        ([named("node-7.example.org.")], Answer.DENIED),
        ([GONE, GONE], Answer.DENIED),
        ([GONE, Heard(100.0, error=TIMEOUT)], Answer.SILENT),
        ([Heard(100.0, code="SERVFAIL"), GONE], Answer.BROKEN),
        ([Heard(100.0, code="SERVFAIL"), named("web.team-b.svc.cluster.local.")], Answer.SERVED),
        ([], Answer.UNASKED),
    ],
)
def test_only_a_name_in_somebody_elses_namespace_is_a_finding(heard, answer):
    assert enumeration.observe_names(heard, ZONE, NOT_ONE_OF_MINE, 100.0).answer is answer


def test_the_neighbours_of_an_address_are_its_24_without_itself():
    found = enumeration.neighbours("10.244.1.7")

    assert len(found) == 253
    assert found[0] == "10.244.1.1"
    assert found[-1] == "10.244.1.254"
    assert "10.244.1.7" not in found
    assert enumeration.neighbours("fd00::7") == ()


def test_each_question_says_what_it_asks_and_how_a_person_asks_the_same():
    node = NodeQuestion("self", "node-7", "10.0.0.7", Port.SECURE)
    six = NodeQuestion("self", "node-7", "fd00::7", Port.READ_ONLY)
    cloud = CloudQuestion("self", "aws", CLOUDS["aws"][1])
    names = {look: NameQuestion("self", look, "team-b", ZONE) for look in Look}

    assert (node.check, node.target, node.family) == ("net/node", "*", Family.V4)
    assert node.text == "list pods of the kubelet on node-7, 10.0.0.7 port 10250"
    assert node.reproduce("u") == "curl -skI https://10.0.0.7:10250/pods"
    assert six.family is Family.V6
    assert six.reproduce("u") == "curl -skI 'http://[fd00::7]:10255/pods'"
    assert (cloud.check, cloud.target, cloud.text) == ("net/cloud", "*", "reach metadata of aws at fd00:ec2::254")
    assert cloud.reproduce("u") == "nc -vz -w 2 fd00:ec2::254 80"
    assert names[Look.WILDCARD].text == "resolve SRV *.team-b.svc.cluster.local"
    assert names[Look.ANY].text == "resolve SRV any.team-b.svc.cluster.local"
    assert names[Look.SERVICE].reproduce("u") == "dig +short SRV sentinel.team-b.svc.cluster.local"
    assert names[Look.TRANSFER].text == "resolve AXFR cluster.local"
    assert names[Look.REVERSE].text == "resolve names of foreign addresses"
    assert {look.value for look, asked in names.items() if asked.stream} == {"axfr"}
    assert {asked.check for asked in names.values()} == {"net/dns"}
