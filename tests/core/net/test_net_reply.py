"""What each way in which a socket can end means: the table of the design, row by row, and what is in none of them."""

import errno

import pytest

from sentinel.core.answer import Answer, Mark
from sentinel.core.net.landing import TIMEOUT, Landing
from sentinel.core.net.net_reply import DENIALS, LATE_SHARE, is_clear, observe

# `with`: c connected, r something came back, t signed by the target, o signed by another, l our loop was late
TABLE = """
error          with  live  answer    mark

-              crt   any   served    -
TIMEOUT        crt   any   served    -
ECONNRESET     crt   any   served    -
-              cro   any   absent    moved
-              cr    any   served    unattributed
-              c     any   served    unattributed
TIMEOUT        c     any   served    unattributed
ECONNRESET     c     any   served    unattributed
EPIPE          c     any   served    unattributed
ECONNREFUSED   -     yes   denied    -
ECONNREFUSED   -     no    absent    -
EHOSTUNREACH   -     yes   denied    -
EHOSTUNREACH   -     no    absent    -
EACCES         -     yes   denied    -
EACCES         -     no    absent    -
ECONNRESET     -     yes   denied    -
ECONNRESET     -     no    absent    -
ENOPROTOOPT    -     yes   denied    -
ENOPROTOOPT    -     no    absent    -
TIMEOUT        -     any   silent    -
TIMEOUT        l     any   unasked   -
TIMEOUT        cl    any   unasked   -
ENETUNREACH    -     any   unasked   -
EPERM          -     any   unasked   -
EMFILE         -     any   unasked   -
ENFILE         -     any   unasked   -
EADDRNOTAVAIL  -     any   unasked   -
ENOBUFS        -     any   unasked   -
ENOMEM         -     any   unasked   -
EAFNOSUPPORT   -     any   unasked   -
EINVAL         -     any   unasked   -
ECANCELED      -     any   unasked   -
ECANCELED      c     any   unasked   -
-              -     any   broken    -
"""


def rows():
    for line in TABLE.strip().splitlines()[1:]:
        if line:
            error, with_, live, answer, mark = line.split()
            for there in {"any": (True, False), "yes": (True,), "no": (False,)}[live]:
                id_ = f"{error}-with-{with_}-{'live' if there else 'dead'}-is-{answer}"
                yield pytest.param(error.strip("-"), with_, there, answer, mark.strip("-"), id=id_)


def landing(error="", with_="", late=0.0) -> Landing:
    return Landing(
        100.0,
        0.3,
        connected="c" in with_,
        error=error,
        reply=b"something" if "r" in with_ else b"",
        late=1.9 if "l" in with_ else late,
    )


@pytest.mark.parametrize(("error", "with_", "live", "answer", "mark"), [*rows()])
def test_each_row_of_the_table(error, with_, live, answer, mark):
    signed = True if "t" in with_ else False if "o" in with_ else None

    seen = observe(landing(error, with_), 2.0, live=live, is_target=signed)

    assert (seen.answer, seen.mark) == (Answer(answer), Mark(mark) if mark else None)


@pytest.mark.parametrize("name", sorted(set(errno.errorcode.values()) - DENIALS))
def test_no_other_errno_is_a_denial_or_a_silence(name):
    assert observe(landing(name), 2.0, live=True).answer is Answer.UNASKED


def test_a_loop_that_is_a_little_late_still_hears_silence():
    assert observe(landing(TIMEOUT, late=LATE_SHARE * 2.0), 2.0, live=True).answer is Answer.SILENT
    assert observe(landing(TIMEOUT, late=LATE_SHARE * 2.0 + 0.01), 2.0, live=True).answer is Answer.UNASKED


def test_the_observation_says_when_where_and_which_challenge():
    seen = observe(landing("ECONNREFUSED"), 2.0, live=True, place="10.0.0.7:7462, pod 1c", nonce="5f2c")

    assert (seen.at, seen.took, seen.code, seen.detail) == (100.0, 0.3, None, "ECONNREFUSED")
    assert (seen.place, seen.audit_id) == ("10.0.0.7:7462, pod 1c", "5f2c")


@pytest.mark.parametrize(
    ("error", "with_", "clear"),
    [
        (TIMEOUT, "", True),
        ("ECONNREFUSED", "", True),
        ("EHOSTUNREACH", "", True),
        ("ENETUNREACH", "", True),
        ("EPERM", "", True),
        ("EMFILE", "", False),
        ("EADDRNOTAVAIL", "", False),
        ("ECANCELED", "", False),
        ("", "c", False),
        (TIMEOUT, "c", False),
        ("", "r", False),
        ("", "", False),
    ],
)
def test_an_address_of_nobody_is_clear_when_nobody_took_it_and_we_really_tried(error, with_, clear):
    assert is_clear(landing(error, with_)) is clear
