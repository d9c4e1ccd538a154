"""The chain: whatever is done to a line, it shows; and what a kill left is told from it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.core.audit import chain
from sentinel.core.audit.chain import NOTHING, Break, Fault, Head, Walk


def inner(row):
    return json.dumps(row)[1:-1]


NEW = Head("c0ffee", 0, NOTHING)


def chained(count, head=NEW, oldest=1):
    """A file of so many lines, the one that begins it among them."""
    lines = []
    for number in range(count):
        row = chain.begun(head, oldest) if number == 0 else {"event": "round", "number": number}
        line, head = chain.seal(head, inner(row))
        lines.append(line)
    return lines, head


def follow(*files, whole=True):
    walk = Walk()
    for lines in files:
        walk = chain.next_file(walk)
        for number, line in enumerate(lines):
            step = chain.step(walk, line, whole=whole or number < len(lines) - 1)
            if isinstance(step, Break):
                return step
            walk, _ = step
    return chain.finish(walk) or walk


def test_a_line_says_its_number_and_keeps_what_it_was_given():
    line, head = chain.seal(Head("c0ffee", 6, NOTHING), inner({"event": "round", "what": 'a "quote", "hash":"x"'}))

    row = json.loads(line)
    assert (row["v"], row["seq"], row["event"]) == (1, 7, "round")
    assert row["hash"] == head.hash
    sealed = chain.read(line)
    assert sealed is not None
    assert (sealed.sequence, sealed.hash, sealed.row()["what"]) == (7, head.hash, 'a "quote", "hash":"x"')


def test_the_hash_is_what_anybody_can_work_out_with_sha256sum():
    from hashlib import sha256

    line, head = chain.seal(Head("c0ffee", 0, NOTHING), inner({"event": "round"}))

    body = line[: line.rindex(b',"hash":')]
    assert head.hash == sha256(b"0" * 64 + body).hexdigest()


def test_a_whole_chain_is_followed_to_its_head():
    lines, head = chained(5)

    walk = follow(lines)

    assert isinstance(walk, Walk)
    assert (walk.head, walk.first, walk.cuts) == (head, 1, 0)


def test_a_chain_goes_on_in_its_next_file_and_each_file_can_be_followed_by_itself():
    first, middle = chained(4)
    second, head = chained(4, middle)

    both, alone = follow(first, second), follow(second)

    assert isinstance(both, Walk)
    assert both.head == head
    # By itself it begins where lines before it should be, and says so.
    assert alone == Break(Fault.MISSING, 1, 5, "1", "5")
    kept = follow(chained(4, middle, oldest=5)[0])
    assert isinstance(kept, Walk)
    assert kept.first == 5


@pytest.mark.parametrize(
    ("what", "tamper", "fault", "line"),
    [
        ("edited", lambda s: [*s[:2], s[2].replace(b'"number": 2', b'"number": 3'), *s[3:]], Fault.CHANGED, 3),
        ("its hash edited", lambda s: [*s[:2], s[2][:-5] + b'abc"}', *s[3:]], Fault.CHANGED, 3),
        ("renumbered", lambda s: [*s[:2], s[2].replace(b'"seq":3', b'"seq":9'), *s[3:]], Fault.MISSING, 3),
        ("removed", lambda s: [*s[:2], *s[3:]], Fault.MISSING, 3),
        ("the first removed", lambda s: s[1:], Fault.FOREIGN, 1),
        ("reordered", lambda s: [*s[:2], s[3], s[2], *s[4:]], Fault.MISSING, 3),
        ("doubled", lambda s: [*s[:3], s[2], *s[3:]], Fault.MISSING, 4),
        ("put in", lambda s: [*s[:3], b'{"event":"round"}', *s[3:]], Fault.FOREIGN, 4),
        ("put in at the end", lambda s: [*s, b'{"event":"round"}'], Fault.FOREIGN, 7),
        ("cut", lambda s: [*s[:2], s[2][:30], *s[3:]], Fault.FOREIGN, 3),
        ("an end cut off that has an end", lambda s: [*s[:5], s[5][:30]], Fault.FOREIGN, 6),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_done_to_a_line_shows_where_it_was_done(what, tamper, fault, line):
    lines, _ = chained(6)

    found = follow(tamper(lines))

    assert isinstance(found, Break), what
    assert (found.fault, found.line) == (fault, line)


def test_another_chain_in_a_place_of_ours_shows():
    first, middle = chained(3)
    other, _ = chained(3, Head("other", middle.sequence, middle.hash))

    found = follow(first, other)

    assert isinstance(found, Break)
    assert (found.fault, found.expected, found.found) == (Fault.REPLACED, "chain c0ffee", "chain other")


def test_a_file_that_is_gone_from_the_middle_or_the_beginning_shows():
    first, head = chained(3)
    second, head = chained(3, head)
    third, head = chained(3, head)

    middle, beginning = follow(first, third), follow(second, third)

    assert isinstance(middle, Break)
    assert (middle.fault, middle.expected, middle.found) == (Fault.MISSING, "4", "7")
    assert isinstance(beginning, Break)
    assert (beginning.fault, beginning.expected, beginning.found) == (Fault.MISSING, "1", "4")


def test_a_piece_without_an_end_at_the_very_end_is_a_kill_and_no_break():
    lines, _ = chained(4)

    walk = follow([*lines[:3], lines[3][:40]], whole=False)

    assert isinstance(walk, Walk)
    assert chain.is_torn(walk)
    assert walk.head is not None
    assert walk.head.sequence == 3


def test_a_piece_is_accounted_for_by_the_line_after_it_and_by_no_other():
    lines, head = chained(3)
    piece = b'{"v":1,"seq":4,"event":"rou'
    told, _ = chain.seal(head, inner(chain.torn(piece)))
    lied, _ = chain.seal(head, inner(chain.torn(piece + b"n")))

    walk, wrong = follow([*lines, piece, told]), follow([*lines, piece, lied])

    assert isinstance(walk, Walk)
    assert walk.cuts == 1
    assert isinstance(wrong, Break)
    assert (wrong.fault, wrong.line) == (Fault.FOREIGN, 4)


def test_a_flood_of_what_is_no_line_ends_and_is_not_kept():
    lines, _ = chained(2)

    found = follow([*lines, *[b"x"] * (chain.MOST_PIECES + 1)])

    assert isinstance(found, Break)
    assert (found.fault, found.line) == (Fault.FOREIGN, 3)


@given(st.data())
def test_law_one_byte_of_a_chain_cannot_be_another(data):
    lines, _ = chained(5)
    number = data.draw(st.integers(0, 4))
    at = data.draw(st.integers(0, len(lines[number]) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda b: b not in (10, lines[number][at])))

    changed = bytearray(lines[number])
    changed[at] = byte

    assert isinstance(follow([*lines[:number], bytes(changed), *lines[number + 1 :]]), Break)


@given(st.lists(st.integers(0, 7), min_size=8, max_size=8))
def test_law_only_all_lines_in_their_order_are_the_chain(order):
    lines, head = chained(8)

    walk = follow([lines[number] for number in order])

    assert (isinstance(walk, Walk) and walk.head == head) == (order == list(range(8)))
