"""What holds for every text, every bytes and every duration, not only for those we thought of."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from sentinel import errors, settings
from sentinel.settings import duration, shape
from sentinel.settings.model import Settings
from tests.settings.conftest import GOOD

KEYS = sorted({key for model in shape.every_model() for key in shape.keys(model)})
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.dates(),
    st.sampled_from(["10s", "5m", "self", "own", "none", "request", "*", "kube-system", "a", "http://a", "127.0.0.1:1"]),
)  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=12,
)


def load(content: bytes, environ: dict[str, str]) -> settings.Settings | None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "s.yaml"
        path.write_bytes(content)
        try:
            return settings.load(path, {"SENTINEL_SERVICE_ACCOUNT_DIR": folder, **environ})
        except errors.ConfigError as error:
            assert error.problems
            assert all("\n" not in str(problem) for problem in error.problems)
            return None


@given(st.binary(max_size=200))
def test_no_bytes_are_worse_than_a_configuration_error(content: bytes) -> None:
    load(content, {})
    load(GOOD.encode() + content, {})


@given(st.text(alphabet=st.sampled_from("ab:-[]{}&*!|>'\"%@`#?, \n\t\\01~<="), max_size=60))
@example("<<: *a")
@example("? {a: b}\n: c")
@example("!!binary a")
@example("&a [*a]")
def test_no_yaml_is_worse_than_a_configuration_error(text: str) -> None:
    load(text.encode(), {})
    load(f"{GOOD}{text}".encode(), {})
    load(GOOD.encode(), {"SENTINEL__ISOLATION": text, "SENTINEL__CLUSTER": text, "SENTINEL__TENANTS": text})


@given(st.dictionaries(st.sampled_from(sorted(shape.keys(Settings))), values, max_size=4))
def test_no_values_are_worse_than_a_configuration_error(tree: dict[str, object]) -> None:
    good = yaml.safe_load(GOOD)

    load(yaml.safe_dump({**good, **tree}, allow_unicode=True).encode("utf-8", "surrogatepass"), {})


@given(st.dictionaries(st.text(max_size=20).map(lambda name: f"SENTINEL__{name}"), st.text(max_size=20), max_size=3))
def test_no_environment_is_worse_than_a_configuration_error(environ: dict[str, str]) -> None:
    load(GOOD.encode(), environ)


@given(st.integers(min_value=1, max_value=duration.LONGEST // timedelta(milliseconds=1)))
def test_a_duration_that_is_written_is_read_back(milliseconds: int) -> None:
    length = timedelta(milliseconds=milliseconds)

    assert duration.parse(duration.written(length)) == length


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10s", 10), ("500ms", 0.5), ("5m", 300), ("1h30m", 5400), ("7d", 604800), ("0.2s", 0.2), ("1.5h", 5400),
        ("90s", 90), ("1d1h1m1s1ms", 90061.001), ("365d", 31536000),
    ],
)  # fmt: skip
def test_durations_mean_what_prometheus_means_by_them(text: str, seconds: float) -> None:
    assert duration.parse(text).total_seconds() == seconds


@given(st.text(max_size=12) | st.integers() | st.floats() | st.none())
@example("10")
@example("s")
@example("1s1s")
@example("1m1h")
@example("10S")
@example("١s")
@example("1e3s")
@example("9" * 12 + "d")
def test_what_is_no_duration_is_refused_and_nothing_else_happens(text: object) -> None:
    try:
        length = duration.parse(text)
    except PydanticCustomError:
        return
    assert duration.parse(duration.written(length)) == length


def test_a_thousand_tenants_are_within_the_bounds() -> None:
    tenants = "".join(
        f"- {{name: t{number}, namespaces: [t{number}, t{number}-jobs], owner: O, contact: C}}\n"
        for number in range(1000)
    )

    loaded = load(f"cluster: c\ntenant: t7\ntenants:\n{tenants}".encode(), {})

    assert loaded is not None
    assert len(loaded.targets) == 2 * 999 + 2
