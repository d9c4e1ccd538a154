"""Whatever shares a costly server stays with one worker."""

from pathlib import Path

from tests.shards import FIRST, LAST, rank, unit_of

ROOT = Path(__file__).parents[1]


def test_whoever_lives_by_the_clock_is_with_all_the_others_who_do() -> None:
    towns = {"survival", "hostile", "witness", "network", "matrix", "rounds"}

    assert {unit_of(f"tests/cluster/test_{name}.py::test_it[a::b]") for name in towns} == {"tests/cluster"}


def test_long_units_are_given_out_before_files_of_short_tests() -> None:
    names = ["core/test_lease.py", "web/test_pages.py", "cluster/test_holes.py", "wire/x.py"]

    found = sorted((f"tests/{name}::test" for name in names), key=rank)

    expected = [
        "cluster/test_holes.py",
        "wire/x.py",
        "web/test_pages.py",
        "core/test_lease.py",
    ]
    assert found == [f"tests/{name}::test" for name in expected]
    assert all((ROOT / folder).is_dir() for folder in (*FIRST, *LAST))
