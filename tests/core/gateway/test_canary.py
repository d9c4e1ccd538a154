"""The canary tells a whole answer from one that is cut, spliced, cached, or somebody else's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.core.gateway import canary
from sentinel.core.gateway.canary import Canary, Song, compare

OURS, THEIRS = canary.tag("team-a"), canary.tag("team-b")
ASKED = Canary(canary.nonce(OURS, "0123abcd"))
MARK = canary.nonce(THEIRS, "0123abcd")
COUNT = "1 2 3 4 5 6 7 8 9 10 11 12"
END = f"END-{ASKED.nonce}"
WHOLE = f"{COUNT} {END}"


@pytest.mark.parametrize(
    ("text", "song"),
    [
        (WHOLE, Song.WHOLE),
        (f"  {WHOLE}\n", Song.WHOLE),
        (WHOLE.replace(" ", ", "), Song.WHOLE),
        (WHOLE.replace(" ", "\n"), Song.WHOLE),
        (f"Sure! {WHOLE}", Song.WHOLE),
        (f"{WHOLE} Let me know if you need more.", Song.WHOLE),
        (f"{COUNT} **{END}**", Song.WHOLE),
        ("1 2 3 4", Song.TAIL_MISSING),
        ("1 2 3 4 ", Song.TAIL_MISSING),
        ("1 2 3 4 5 6 7 8 9 10 1", Song.TAIL_MISSING),
        (COUNT, Song.TAIL_MISSING),
        (f"{COUNT} EN", Song.TAIL_MISSING),
        (f"{COUNT} END-{ASKED.nonce[:9]}", Song.TAIL_MISSING),
        (f"1 2 3 4 {WHOLE}", Song.REPEATED),
        (f"1 2 3 4{WHOLE}", Song.REPEATED),
        ("1 2 3 4 1 2 3", Song.REPEATED),
        (f"1 1 2 2 3 3 4 4 {END}", Song.REPEATED),
        (f"{WHOLE}{END}", Song.REPEATED),
        (f"{WHOLE} {WHOLE}", Song.REPEATED),
        (f"{COUNT} END-{canary.nonce(OURS, 'ffffffff')}", Song.STALE),
        (f"{COUNT} END-{MARK}", Song.FOREIGN),
        (f"{WHOLE} END-{MARK}", Song.FOREIGN),
        (f"{COUNT} END-{canary.nonce(canary.tag('nobody'), '0123abcd')}", Song.FOREIGN),
        (f"{COUNT} END-{THEIRS}{ASKED.nonce[6:]}", Song.OTHER),
        (f"{COUNT} END-{MARK[:-1]}{'0' if MARK[-1] != '0' else '1'}", Song.OTHER),
        (f"1 2 3 4 6 7 8 9 10 11 12 {END}", Song.OTHER),
        (f"12 11 10 {END}", Song.OTHER),
        ("I'm sorry, I can't help with that.", Song.OTHER),
        ("", Song.OTHER),
    ],
)
def test_a_song_is_called_what_a_reader_would_call_it(text, song):
    assert compare(ASKED, text) is song


@given(st.text("0123456789abcdef", min_size=8, max_size=8), st.integers(1, 60))
def test_a_beginning_of_the_answer_is_always_a_missing_tail_and_the_whole_always_whole(chance, length):
    asked = Canary(canary.nonce(OURS, chance))

    assert compare(asked, asked.song) is Song.WHOLE
    if length < len(asked.song):
        assert compare(asked, asked.song[:length]) is Song.TAIL_MISSING


@given(st.text(max_size=300))
def test_no_text_is_an_error(text):
    assert compare(ASKED, text) in Song


def test_the_tag_of_a_tenant_is_the_same_in_every_process():
    assert canary.tag("team-a") == "96c288"
