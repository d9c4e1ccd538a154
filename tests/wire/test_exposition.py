"""Very many series on a page: Prometheus reads from it what the library would have written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from sentinel.clients.exposition import Family, Rows, page

NAME = "sentinel_since_timestamp_seconds"
WORDS = st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=8)


def rows(registry: CollectorRegistry | None = None) -> Rows:
    return Rows(NAME, "Since when.", ("subject", "target"), registry or CollectorRegistry())


def read(text: bytes) -> dict[str, tuple[str, str, list[str]]]:
    families = text_string_to_metric_families(text.decode())
    return {one.name: (one.type, one.documentation, sorted(map(repr, one.samples))) for one in families}


@given(
    st.dictionaries(
        st.tuples(WORDS, st.sampled_from(['a"b', "a\\b", "a\nb", "ä", ""])),
        st.floats(allow_nan=False),
        max_size=4,
    )
)
def test_rows_are_read_as_the_library_would_have_written_them(values):
    registry = CollectorRegistry()
    Counter("sentinel_rounds", "Rounds.", ("tier",), registry=registry).labels("1").inc()
    Histogram("sentinel_took_seconds", "Taken.", registry=registry).observe(0.2)
    made = rows(registry)

    for labels, value in values.items():
        made.set(labels, value)

    assert read(page(registry)) == read(generate_latest(registry))


def test_of_very_many_rows_none_is_left_out():
    registry = CollectorRegistry()
    made = rows(registry)
    for number in range(2501):
        made.set((f"team-{number}", "team-b"), float(number))

    assert read(page(registry)) == read(generate_latest(registry))


def test_a_series_is_there_only_as_long_as_it_is_said():
    registry = CollectorRegistry()
    made = rows(registry)
    made.set(("team-a", "team-b"), 0.0)
    made.set(("team-b", "team-a"), 7.0)

    made.remove(("team-a", "team-b"))
    made.remove(("nobody", "nowhere"))

    assert made.get(("team-a", "team-b")) is None
    assert registry.get_sample_value(NAME, {"subject": "team-a", "target": "team-b"}) is None
    assert registry.get_sample_value(NAME, {"subject": "team-b", "target": "team-a"}) == 7.0


def test_what_is_being_written_is_of_one_moment():
    made = rows()
    made.set(("team-a", "team-b"), 0.0)
    (family,) = made.collect()
    assert isinstance(family, Family)

    made.remove(("team-a", "team-b"))
    made.set(("team-c", "team-d"), 0.0)

    assert [line for line in family.lines() if line[0] != "#"] == [f'{NAME}{{subject="team-a",target="team-b"}} 0.0\n']


def test_two_gauges_of_one_name_are_refused_as_the_library_refuses_them():
    registry = CollectorRegistry()
    rows(registry)

    with pytest.raises(ValueError, match=NAME):
        rows(registry)
