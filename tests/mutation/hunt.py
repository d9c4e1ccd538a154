"""Which test notices which mutant: each is held against the cases that ask for what it leads to by name.

The quickest first, many mutants in one process, until somebody notices. That something else fired is asked as well, but
only there: what it takes to notice a mutant by that alone is a case that names it.
"""

import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock

from tests import parts
from tests.alerts.promtool import HURRY
from tests.alerts.rules import name_of
from tests.mutation import beside
from tests.mutation.beside import Reach
from tests.mutation.cases import Case
from tests.mutation.mutants import Mutant, shape_of

ROUNDS = 8
"""Cases that each mutant is held against at most. Hardly one that lived through four was ever noticed by a later one."""
COPIES = 400
"""Rules in one process, at most, beside the shipped ones: a few hundred MB."""
_BROKEN = re.compile(r"^\s*rule: \S+_m(\d+)\b", re.MULTILINE)

Said = Callable[[str], None]
Kind = tuple[str, str]
"""Name and shape of a rule."""
ANNOTATIONS = "annotations."
"""What a field of them begins with: the series ALERTS has none, so that few cases can notice them."""
Line = tuple[str, str, str, int]
"""A word of a template, as in `Mutant.line`."""


class Hunt:
    """`alive`: those that nobody has noticed yet. `killers`: by line, the test that noticed the others."""

    def __init__(self, cases: Sequence[Case], mutants: Iterable[Mutant], say: Said = print, workers: int = 2) -> None:
        self.alive = list(mutants)
        self.killers: dict[Line, str] = {}
        self._lock = Lock()
        self._cases = cases
        self._say = say
        self._workers = workers
        self._tried: set[tuple[Mutant, int]] = set()
        self._chosen: dict[tuple[Kind, bool], list[Case]] = {}
        self._kinds = {case.number: {(name_of(rule), shape_of(rule)) for _, rule in case.rules} for case in cases}
        self._reach = {case.number: _reach(case) for case in cases}

    def run(self) -> None:
        with ThreadPoolExecutor(self._workers) as pool:
            for number in range(ROUNDS):
                plan = self._likeliest()
                list(pool.map(self._try, *zip(*plan, strict=True))) if plan else None
                self._say(f"round {number + 1}: {len(self.alive)} mutants left")

    def _noticed(self, lines: Collection[Line], test: str) -> None:
        with self._lock:
            self.killers |= dict.fromkeys(lines, test)
            self.alive = [mutant for mutant in self.alive if mutant.line not in lines]

    def _likeliest(self) -> list[tuple[Case, list[Mutant]]]:
        """For each living mutant the next case that asks for it by name; by case, in portions."""
        wanted: dict[int, list[Mutant]] = {}
        for mutant in self.alive:
            case = next((case for case in self._asking(mutant) if (mutant, case.number) not in self._tried), None)
            if case is not None:
                wanted.setdefault(case.number, []).append(mutant)
        return [
            portion
            for number, mutants in wanted.items()
            for portion in _chunks(self._cases[number], mutants, self._reach[number])
        ]

    def _asking(self, mutant: Mutant) -> list[Case]:
        kind = (mutant.rule, mutant.shape)
        asked = kind, mutant.field.startswith(ANNOTATIONS)
        if asked not in self._chosen:
            self._chosen[asked] = sorted(
                (
                    case
                    for case in self._cases
                    if kind in self._kinds[case.number] and self._asked_by_name(case, mutant)
                ),
                key=_cost,
            )
        return self._chosen[asked]

    def _asked_by_name(self, case: Case, mutant: Mutant) -> bool:
        if mutant.field.startswith(ANNOTATIONS):
            return mutant.rule in case.read_out
        reach = self._reach[case.number]
        return beside.asks(case, frozenset({mutant.rule}) if case.written_out else reach.of(mutant.rule), reach.alerts)

    def _try(self, case: Case, mutants: Sequence[Mutant]) -> None:
        """In one process; again without those that end the evaluation itself, which end that of the others as well."""
        left = dict(enumerate(mutants))
        with self._lock:
            self._tried |= {(mutant, case.number) for mutant in mutants}
        while left:
            said = _promtool(beside.files(case, self._reach[case.number], left))
            broken = {int(number) for number in _BROKEN.findall(said)}
            noticed = (broken or beside.marked(said)) & set(left)
            if said and not noticed:
                raise RuntimeError(f"{case.test} fails by itself:\n{said[:4000]}")
            self._noticed({left.pop(number).line for number in noticed}, case.test)
            if not broken:
                return


_reaches: dict[tuple[str, ...], Reach] = {}


def _reach(case: Case) -> Reach:
    """One for all cases that load the same rules."""
    key = tuple(case.files.values())
    if key not in _reaches:
        _reaches[key] = Reach(case)
    return _reaches[key]


def _cost(case: Case) -> int:
    """How often its rules are evaluated; never, where it asks for expressions alone."""
    (test,) = case.asked["tests"]
    if case.written_out:
        return 0
    asked = [*test["promql_expr_test"], *test.get("alert_rule_test", ())]
    return int(max(int(one["eval_time"][:-1]) for one in asked) / int(test["interval"][:-1]))


def _chunks(case: Case, mutants: Sequence[Mutant], reach: Reach) -> Iterator[tuple[Case, list[Mutant]]]:
    portion: list[Mutant] = []
    copies = 0
    for mutant in mutants:
        more = len(reach.of(mutant.rule))
        if portion and copies + more > COPIES:
            yield case, portion
            portion, copies = [], 0
        portion.append(mutant)
        copies += more
    yield case, portion


def _promtool(files: Mapping[str, str]) -> str:
    with tempfile.TemporaryDirectory(prefix="sentinel-mutants-") as folder:
        for name, text in files.items():
            (Path(folder) / name).write_text(text)
        command = ["nice", str(parts.find("promtool")), "test", "rules", "test.yaml"]
        environment = os.environ | HURRY
        ended = subprocess.run(command, check=False, cwd=folder, env=environment, capture_output=True, text=True)
    return ended.stdout + ended.stderr if ended.returncode else ""
