"""`make mutate-rules`: every word of every rule, wrong one at a time, and each time a test must fail.

Takes names of rule files, of rules, and of tests to hold them against; without one, all. While a test is written:
`alerts/self.rules.yaml SentinelRestarting tests/alerts/test_self.py`. Exit 1 if a mutant lives, or if one is excused that
is none any more.
"""

import sys
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import yaml

from tests.alerts import lint
from tests.alerts.rules import Rule, name_of
from tests.mutation import cases, shipped
from tests.mutation.hunt import Hunt
from tests.mutation.mutants import Mutant, distinct, mutants

EXCUSED = Path(__file__).with_name("equivalent.yaml")


def main(arguments: Sequence[str]) -> int:
    begun = time.monotonic()
    modules = [name for name in arguments if name.startswith("tests/")]
    wanted = {Path(name).name for name in arguments if name not in modules}
    rules = [(file, rule) for file, rule in distinct(shipped.every_rule()).values() if is_wanted(file, rule, wanted)]
    if not rules:
        print(f"no such rules: {', '.join(sorted(wanted))}", file=sys.stderr)
        return 2
    made = [(mutant, rule) for file, rule in rules for mutant in mutants(file, rule)]
    lines = {mutant.line for mutant, _ in made}
    excused: Mapping[str, str] = yaml.safe_load(EXCUSED.read_text())
    hunted = [mutant for mutant, rule in made if str(mutant) not in excused]
    linted = {mutant.line for mutant, rule in made if is_wrong(mutant.of(rule))}
    print(f"{len(lines)} mutants of {len(rules)} rules, {len(linted)} of them noticed by the linter", flush=True)

    asked = cases.taken_down(modules)
    print(f"{len(asked)} cases to hold the others against", flush=True)
    hunt = Hunt(asked, [mutant for mutant in hunted if mutant.line not in linted])
    hunt.run()

    return told(lines, hunt.alive, stale(excused, made, wanted), time.monotonic() - begun)


def is_wanted(file: str, rule: Rule, wanted: Collection[str]) -> bool:
    """Its file is, or it is itself, or nothing was said."""
    files = {name for name in wanted if name.endswith(".yaml")}
    return (not files or file in files) and (wanted == files or name_of(rule) in wanted)


def is_wrong(rule: Rule) -> bool:
    """By the linter."""
    return any(lint.complaints(rule))


def stale(excused: Mapping[str, str], made: Sequence[tuple[Mutant, Rule]], wanted: Collection[str]) -> list[str]:
    """What is excused and is no mutant; of some files alone nobody can say."""
    known = {str(mutant) for mutant, _ in made}
    return [] if wanted else [name for name in excused if name not in known]


def told(lines: Collection[object], alive: Sequence[Mutant], gone: Sequence[str], took: float) -> int:
    left = {mutant.line: mutant for mutant in alive}
    for mutant in left.values():
        print(f"lives: {mutant.file}: {mutant}")
    for name in gone:
        print(f"excused and no mutant any more: {name}")
    print(f"{len(lines)} mutants, {len(left)} live: {100 * (1 - len(left) / len(lines)):.1f} %, in {took:.0f} s")
    return 1 if left or gone else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
