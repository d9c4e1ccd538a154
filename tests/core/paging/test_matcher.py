"""Matchers mean what they mean to Alertmanager."""

import pytest

from sentinel.core.paging.matcher import Labels, Truth, judge, parse

LABELS = Labels({"alertname": "SentinelDown", "severity": "critical"}, frozenset({"tenant"}))


@pytest.mark.parametrize(
    ("text", "truth"),
    [
        ('severity="critical"', Truth.YES),
        ("severity=critical", Truth.YES),
        ("severity = critical", Truth.YES),
        ('severity="crit"', Truth.NO),
        ('severity!="warning"', Truth.YES),
        ('severity!="critical"', Truth.NO),
        ('severity=~"crit"', Truth.NO),  # anchored at its end
        ('severity=~"itical"', Truth.NO),  # and at its beginning
        ('severity=~"crit.*"', Truth.YES),
        ('severity=~"warning|critical"', Truth.YES),
        ('severity=~"warning|crit"', Truth.NO),
        ('severity!~"crit"', Truth.YES),
        ('severity!~"crit.+"', Truth.NO),
        ('team=""', Truth.YES),  # missing is empty
        ('team!=""', Truth.NO),
        ('team=~".*"', Truth.YES),
        ('team=~".+"', Truth.NO),
        ('team!~".+"', Truth.YES),
        ('team!="payments"', Truth.YES),
        ('tenant="team-a"', Truth.OPEN),
        ('tenant!=""', Truth.OPEN),
        ('severity=~"\\\\pL+"', Truth.OPEN),  # Go reads this, Python does not: we do not know
        ('{severity="critical", alertname=~"Sentinel.+"}', Truth.YES),
        ('severity="critical",alertname="KubeDown"', Truth.NO),
        ('severity="critical",tenant="x"', Truth.OPEN),
        ('alertname="KubeDown",tenant="x"', Truth.NO),  # one that fails is enough to know
        ('"severity"="critical"', Truth.YES),
        ("", Truth.YES),
    ],
)
def test_a_matcher_is_judged_as_alertmanager_judges_it(text: str, truth: Truth) -> None:
    assert judge(parse(text), LABELS) is truth


def test_quotes_keep_commas_braces_and_escapes() -> None:
    (first, second) = parse(r'a="x,y}\"z\\",b=~"1|2"')

    assert (first.name, first.value, second.value) == ("a", 'x,y}"z\\', "1|2")


@pytest.mark.parametrize("text", ["severity", "=critical", 'a b="c"', 'a=="b"c', '9a="b"'])
def test_what_is_no_matcher_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match="expected a matcher"):
        parse(text)
