"""Whatever shares a costly server stays with one worker, and the few that are named are there."""

from pathlib import Path

from tests.shards import FIRST, GROUND, LAST, rank, unit_of

ROOT = Path(__file__).parents[1]


def test_whoever_lives_by_the_clock_is_with_all_the_others_who_do() -> None:
    towns = {"survival", "hostile", "witness", "network", "net_matrix", "holes"}

    assert {unit_of(f"tests/cluster/test_{name}.py::test_it[a::b]") for name in towns} == {"towns"}


def test_whoever_stands_on_the_ground_is_beside_them() -> None:
    standing = {
        str(file.relative_to(ROOT))
        for file in (ROOT / "tests/cluster").glob("test_*.py")
        if any(word in file.read_text() for word in ("scene: Ground", "ground: Ground"))
    }

    assert standing == GROUND


def test_long_units_are_given_out_before_files_of_short_tests() -> None:
    names = ["core/test_lease.py", "web/test_pages.py", "cluster/test_blind.py", "cluster/test_holes.py", "wire/x.py"]

    found = sorted((f"tests/{name}::test" for name in names), key=rank)

    expected = [
        "cluster/test_holes.py",
        "cluster/test_blind.py",
        "wire/x.py",
        "web/test_pages.py",
        "core/test_lease.py",
    ]
    assert found == [f"tests/{name}::test" for name in expected]
    assert all((ROOT / folder).is_dir() for folder in (*FIRST, *LAST))
