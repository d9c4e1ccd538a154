"""A PromQL expression as words, and all the ways to get one of them wrong.

    max by (tenant) (up{job="a|b"}) > 0      ->  min by ...   by ()   job!=   job="a"   >=   <   > 1

Each way changes one word and leaves an expression that Prometheus would take. Two expressions have the same `shape` if
they differ in numbers and strings alone, as the same line of a template rendered for another tenant does; a way to get
one wrong is then a way to get the other wrong.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_WORD = re.compile(
    r"""\s+ | "(?:\\.|[^"\\])*" | \d+(?:ms|[smhd])(?!\w) | (?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?
        | [A-Za-z_:][\w:]* | =~|!~|!=|==|>=|<=|[-+*/%^(){}\[\],<>=]""",
    re.VERBOSE,
)
_OTHERWISE: dict[str, Sequence[str]] = {
    ">": (">=", "<"),
    ">=": (">", "<"),
    "<": ("<=", ">"),
    "<=": ("<", ">"),
    "==": ("!=",),
    "+": ("-",),
    "-": ("+",),
    "*": ("/",),
    "/": ("*",),
    "and": ("or", "unless"),
    "or": ("and", "unless"),
    "unless": ("and", "or"),
    "sum": ("max",),
    "max": ("min",),
    "min": ("max",),
    "count": ("sum",),
    "avg": ("max",),
    "increase": ("delta",),  # another one as soon as a counter begins anew
    "rate": ("increase",),
    "last_over_time": ("min_over_time",),
    "present_over_time": ("absent_over_time",),
    "count_over_time": ("last_over_time",),
    "min_over_time": ("max_over_time",),
    "max_over_time": ("min_over_time",),
    "avg_over_time": ("max_over_time",),
    "sum_over_time": ("max_over_time",),
    "clamp_min": ("clamp_max",),
    "clamp_max": ("clamp_min",),
    "changes": ("resets",),
    "timestamp": ("",),
}
_IN_BRACES = {"=": "!=", "!=": "=", "=~": "!~", "!~": "=~"}
_LISTS = ("by", "on", "without", "ignoring", "group_left", "group_right")


@dataclass(frozen=True)
class Slip:
    """One word, wrong: the words from `begin` to `end` become `how` of them."""

    begin: int
    end: int
    how: str
    """What takes their place, or ×2, ÷2, alternative N left out."""


def words(expression: str) -> list[str]:
    found, at = [], 0
    while at < len(expression):
        match = _WORD.match(expression, at)
        if match is None:
            raise ValueError(f"no PromQL that this reads: {expression[at : at + 30]!r}")
        found.append(match[0])
        at = match.end()
    return found


def shape(expression: str) -> str:
    plain = (word for word in words(expression) if not word.isspace())
    return " ".join('""' if word[0] == '"' else "0" if word[0].isdigit() else word for word in plain)


def slips(expression: str) -> Iterator[Slip]:
    """All of them, in order. Spaces count as words here, so that the rest stays as written."""
    found = words(expression)
    solid = [at for at, word in enumerate(found) if not word.isspace()]
    braces = lists = False
    for place, at in enumerate(solid):
        word = found[at]
        before = found[solid[place - 1]] if place else ""
        braces = word == "{" or (braces and before != "}")
        lists = (word == "(" and before in _LISTS) or (lists and before != ")")
        if braces and word in _IN_BRACES:
            yield Slip(at, at + 1, _IN_BRACES[word])
            yield _without_matcher(found, solid, place)
            yield from (Slip(at + 1, at + 2, f"-{n}") for n in _alternatives(found, solid[place + 1]))
        elif braces:
            continue
        elif lists and word not in ("(", ")", ","):
            yield _without_item(found, solid, place)
        elif word[0].isdigit():
            yield from (Slip(at, at + 1, how) for how in _other_numbers(word))
        elif word in _OTHERWISE and not (word in "+-" and (not before or before in "(,*/<>=")):
            yield from (Slip(at, at + 1, other) for other in _OTHERWISE[word])
        elif word[0] == '"' and _is_replacement(found, solid, place):
            yield Slip(at, at + 1, '""')


def slipped(expression: str, slip: Slip) -> str:
    """The expression with it; unchanged if there is nothing to change, as an alternative that another one lacks."""
    found = words(expression)
    old = "".join(found[slip.begin : slip.end])
    return "".join([*found[: slip.begin], _other(old, slip.how), *found[slip.end :]])


def told(expression: str, slip: Slip) -> str:
    """For people: the words around it, and what becomes of it."""
    found = words(expression)
    old = "".join(found[slip.begin : slip.end])
    around = ["".join(found[max(0, slip.begin - 8) : slip.begin]), "".join(found[slip.end : slip.end + 8])]
    before, after = (re.sub(r"\s+", " ", text) for text in around)
    return f"{before}⟦{old} → {_other(old, slip.how)}⟧{after}"


def _other(old: str, how: str) -> str:
    match how[:1]:
        case "×" | "÷":
            unit = old.lstrip("0123456789.e")
            number = float(old.removesuffix(unit)) * (2 if how == "×2" else 0.5)
            return f"{round(number * _MILLISECONDS[unit])}ms" if unit else f"{number:.15g}"
        case "-" if how[1:].isdigit():
            left = old[1:-1].split("|")
            return '"' + "|".join(word for n, word in enumerate(left) if n != int(how[1:])) + '"'
        case _:
            return how


_MILLISECONDS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def _other_numbers(word: str) -> Sequence[str]:
    if word[-1].isalpha():
        return ("×2", "÷2")
    match float(word):
        case 0:
            return ("1",)
        case 1:
            return ("2", "0")
        case _:
            return ("×2", "÷2")


def _without_matcher(found: Sequence[str], solid: Sequence[int], place: int) -> Slip:
    """From its name to its value, with the comma that belongs to it."""
    begin, end = solid[place - 1], solid[place + 1] + 1
    return _with_comma(found, begin, end)


def _without_item(found: Sequence[str], solid: Sequence[int], place: int) -> Slip:
    return _with_comma(found, solid[place], solid[place] + 1)


def _with_comma(found: Sequence[str], begin: int, end: int) -> Slip:
    after = next(at for at in range(end, len(found)) if not found[at].isspace())
    if found[after] == ",":
        return Slip(begin, after + 1, "")
    before = next(at for at in range(begin - 1, -1, -1) if not found[at].isspace())
    return Slip(before, end, "") if found[before] == "," else Slip(begin, end, "")


def _alternatives(found: Sequence[str], at: int) -> range:
    """Of `"a|b|c"` the first, the second and the third; what stands in parentheses counts as one."""
    text = found[at]
    return range(text.count("|") + 1) if "|" in text and "(" not in text else range(0)


def _is_replacement(found: Sequence[str], solid: Sequence[int], place: int) -> bool:
    """The second of the four strings of `label_replace`."""
    row = [found[at] for at in solid[place - 2 : place + 5]]
    kinds = ["," if word == "," else word[0] for word in row]
    return kinds == ['"', ",", '"', ",", '"', ",", '"'] and found[solid[place]] != '""'
