"""Tokens and CA as a pod has them: files that the kubelet exchanges, empties, and brings back."""

import asyncio
import base64
import json
import os
import ssl

import pytest

from sentinel.clients import endpoint
from sentinel.clients.clock import Clock
from sentinel.clients.kube import Connection, Request
from sentinel.clients.tokens import FileToken, HeldToken, NoToken, Source, Token, parse
from sentinel.core.api.reply import Fault
from sentinel.errors import OwnFault
from tests.support.authority import Authority
from tests.support.rawserver import raw_server


def jwt(subject, **claims):
    payload = base64.urlsafe_b64encode(json.dumps({"sub": subject, **claims}).encode()).rstrip(b"=").decode()
    return f"e30.{payload}.c2ln"


OLD, NEW = jwt("system:serviceaccount:team-a:sentinel", exp=1), jwt("system:serviceaccount:team-a:sentinel", exp=2)


@pytest.fixture
def file(tmp_path):
    file = tmp_path / "token"
    file.write_text(OLD)
    return file


def exchange(file, text):
    """As the kubelet does: a new file under the old name, at once."""
    fresh = file.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(file)


class TestFileToken:
    def test_its_text_and_claims_are_read(self, file):
        token = FileToken(file).read()

        assert token.text == OLD
        assert token.claims is not None
        assert token.claims.subject == "system:serviceaccount:team-a:sentinel"

    def test_its_text_is_in_no_repr(self, file):
        assert OLD not in repr(FileToken(file).read())

    def test_a_file_that_did_not_change_is_not_read_again(self, file):
        source = FileToken(file)

        assert source.read() is source.read()

    def test_an_exchanged_file_is_read_at_once(self, file):
        source = FileToken(file)
        source.read()

        exchange(file, NEW)

        assert source.read().text == NEW

    def test_a_file_overwritten_with_the_same_length_in_the_same_moment_is_read_too(self, file):
        source = FileToken(file)
        source.read()
        before = file.stat()

        exchange(file, NEW)
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))

        assert len(OLD) == len(NEW)
        assert source.read().text == NEW

    def test_a_link_that_now_points_elsewhere_is_followed(self, tmp_path):
        for day, text in (("1", OLD), ("2", NEW)):
            (tmp_path / day).mkdir()
            (tmp_path / day / "token").write_text(text)
        data = tmp_path / "..data"
        data.symlink_to("1")
        (tmp_path / "token").symlink_to("..data/token")
        source = FileToken(tmp_path / "token")
        assert source.read().text == OLD

        (tmp_path / "fresh").symlink_to("2")
        (tmp_path / "fresh").replace(data)

        assert source.read().text == NEW

    @pytest.mark.parametrize("ending", ["\n", "\r\n", "  \n\n", "\t"])
    def test_white_space_around_it_is_no_part_of_it(self, file, ending):
        file.write_text(ending + OLD + ending)

        assert FileToken(file).read().text == OLD

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            pytest.param(b"", "empty", id="emptied"),
            pytest.param(b" \n\t ", "empty", id="only-white-space"),
            pytest.param(b"two words", "characters that no token has", id="two-words"),
            pytest.param(b"a\x00b", "characters that no token has", id="a-null"),
            pytest.param(b"a\r\nX-Evil: b", "characters that no token has", id="a-header-of-its-own"),
            pytest.param(b"\x1b[31mred", "characters that no token has", id="colour"),
            pytest.param(b"\xff\xfe\x00", "UnicodeDecodeError", id="bytes"),
            pytest.param("schlüssel".encode(), "UnicodeDecodeError", id="not-ascii"),
        ],
    )
    def test_what_is_unfit_is_our_own_fault_and_never_anonymous(self, file, content, said):
        source = FileToken(file)
        source.read()
        file.write_bytes(content)

        with pytest.raises(OwnFault, match=said) as caught:
            source.read()

        assert str(caught.value).isprintable()
        assert "Evil" not in str(caught.value)

    def test_garbage_that_could_be_a_token_is_one_without_claims(self, file):
        file.write_text("garbage")

        assert FileToken(file).read() == Token("garbage", None)

    @pytest.mark.parametrize("gone", ["missing", "a-folder", "unreadable-path"])
    def test_missing_is_said_and_when_it_is_back_it_is_taken(self, file, gone):
        source = FileToken(file)
        source.read()
        file.unlink()
        if gone == "a-folder":
            file.mkdir()
        if gone == "unreadable-path":
            file.symlink_to(file)

        for _ in range(2):
            with pytest.raises(OwnFault, match=str(file)):
                source.read()

        if gone == "a-folder":
            file.rmdir()
        file.unlink(missing_ok=True)
        file.write_text(OLD)
        assert source.read().text == OLD

    def test_one_that_was_bad_and_is_the_old_one_again_is_taken(self, file):
        source = FileToken(file)
        source.read()
        file.write_text("")
        with pytest.raises(OwnFault):
            source.read()

        exchange(file, OLD)

        assert source.read().text == OLD

    def test_a_file_without_end_is_not_read_whole(self, file):
        with file.open("wb") as grown:
            grown.truncate(3 * 2**30)

        with pytest.raises(OwnFault, match="longer than a token"):
            FileToken(file).read()


class TestHeldToken:
    def test_while_there_is_none_it_says_why(self):
        held = HeldToken("not requested yet")

        with pytest.raises(OwnFault, match="not requested yet"):
            held.read()
        held.excuse("403, expected 201")
        with pytest.raises(OwnFault, match="403, expected 201"):
            held.read()

    def test_an_old_one_is_used_while_a_new_one_cannot_be_had(self):
        held = HeldToken("x")
        held.put(parse(OLD, "x"))

        held.excuse("429")

        assert held.read().text == OLD

    def test_who_is_anonymous_on_purpose_has_none(self):
        source: Source = NoToken()

        assert source.read() is None


@pytest.fixture
def pod(tmp_path):
    """The folder that a pod is given, and what its environment says."""
    Authority(tmp_path)
    (tmp_path / "token").write_text(OLD)
    return {
        "KUBERNETES_SERVICE_HOST": "127.0.0.1",
        "KUBERNETES_SERVICE_PORT": "6443",
        "SENTINEL_SERVICE_ACCOUNT_DIR": str(tmp_path),
    }


def given(pod):
    found = endpoint.in_pod(pod)
    assert found is not None and found.ca_file is not None
    return found, found.ca_file


class TestInPod:
    def test_address_token_and_ca_are_at_hand(self, pod):
        found = endpoint.in_pod(pod)

        assert found is not None
        assert (found.url, found.in_pod) == ("https://127.0.0.1:6443", True)
        assert found.own.read().text == OLD  # type: ignore[union-attr]
        trust = found.trust()
        assert trust is not None
        assert (trust.verify_mode, trust.check_hostname) == (ssl.CERT_REQUIRED, True)

    def test_an_ipv6_address_has_its_brackets(self, pod):
        found = endpoint.in_pod({**pod, "KUBERNETES_SERVICE_HOST": "fd00::1"})

        assert found is not None
        assert found.url == "https://[fd00::1]:6443"

    @pytest.mark.parametrize("missing", ["KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"])
    def test_outside_a_pod_there_is_none(self, pod, missing):
        assert endpoint.in_pod({**pod, missing: ""}) is None
        del pod[missing]
        assert endpoint.in_pod(pod) is None

    def test_the_context_is_made_once_while_the_ca_stays(self, pod):
        found, _ = given(pod)

        assert found.trust() is found.trust()

    async def test_a_new_ca_is_trusted_from_then_on_and_the_old_one_no_more(self, pod, tmp_path_factory):
        folder = tmp_path_factory.mktemp("new")
        new = Authority(folder)
        found, ca_file = given(pod)
        ask = Request("GET", "/readyz", "t")

        async def behave(peer, _):
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

        async with raw_server(new, behave) as server:
            async with Connection(server.url, found.trust(), 5.0, Clock()) as line:
                before = await line.ask(ask)
            await asyncio.sleep(0.01)
            exchange(ca_file, new.ca_file.read_text())
            async with Connection(server.url, found.trust(), 5.0, Clock()) as line:
                after = await line.ask(ask)

        assert before.fault is Fault.TLS
        assert after.status == 200

    @pytest.mark.parametrize(
        "content", [b"", b"garbage", b"-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n", b"\xff\xfe", None]
    )
    def test_a_ca_file_that_is_none_is_our_own_fault_until_it_is_one_again(self, pod, content):
        found, ca_file = given(pod)
        good = ca_file.read_bytes()
        found.trust()
        if content is None:
            ca_file.unlink()
        else:
            ca_file.write_bytes(content)

        for _ in range(2):
            with pytest.raises(OwnFault, match="CA file"):
                found.trust()

        ca_file.write_bytes(good)
        assert found.trust() is not None
