"""A drill is read as strictly as the configuration: what is wrong is said with its line, and how to mend it."""

from pathlib import Path

import pytest
import yaml

from sentinel import settings
from sentinel.core.drill.fault import Variant
from sentinel.errors import ConfigError
from sentinel.settings import drill as written
from sentinel.tools import drilling

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "config" / "drills" / "provider-outage.yaml"
WHOLE = """\
kind: Drill
name: outage
hypothesis: The next one answers.
gateway: chat
fault:
  variants: {kill: {}}
"""


def said(path: Path, text: str) -> str:
    path.write_text(text)
    with pytest.raises(ConfigError) as raised:
        written.load(path)
    return str(raised.value).replace(str(path), "d.yaml")


def test_the_shipped_drill_has_the_six_variants_and_every_key_with_its_default() -> None:
    drill = written.load(SHIPPED)

    assert [*drill.fault.variants.faults()] == [*Variant]
    bare = written.Drill.model_validate(
        {
            "kind": "Drill",
            "name": drill.name,
            "hypothesis": drill.hypothesis,
            "gateway": "chat",
            "fault": {"variants": dict.fromkeys(drill.fault.variants.faults())},
        }
    )
    assert drill == bare


def test_the_shipped_drill_goes_with_the_example_of_a_gateway(tmp_path: Path) -> None:
    loaded = settings.load(ROOT / "config" / "examples" / "gateway.yaml", {})

    prepared = drilling.prepare(SHIPPED, loaded, "429")

    assert (prepared.terms.primary, prepared.terms.within, prepared.fault.retry_after) == ("openai", 30.0, 7.0)
    assert prepared.every == 0.5


def test_a_variant_with_nothing_behind_it_has_its_defaults(tmp_path: Path) -> None:
    path = tmp_path / "d.yaml"
    path.write_text(WHOLE.replace("{kill: {}}", "\n    slow:\n    5xx:"))

    assert [*written.load(path).fault.variants.faults()] == [Variant.ERROR, Variant.SLOW]


WRONG = {
    "another kind": ("kind: Drill", "kind: Deployment", "d.yaml:1: kind: found Deployment, expected one of Drill"),
    "a slip": ("gateway: chat", "gatway: chat", "did you mean gateway?"),
    "a slip deep down": (
        "{kill: {}}",
        "{kil: {}}",
        "d.yaml:6: fault.variants.kil: found an unknown key, expected one of kill, 5xx, 429, timeout, slow, truncated",
    ),
    "no variant": ("{kill: {}}", "{}", "d.yaml:6: fault.variants: found an empty mapping, expected at least one of"),
    "a status that is none": (
        "{kill: {}}",
        "{5xx: {status: 404}}",
        "d.yaml:6: fault.variants.5xx.status: found 404, expected a whole number from 500 to 599",
    ),
    "a bare number": ("{kill: {}}", "{slow: {latency: 10}}", "expected a duration such as 10s"),
    "a parameter of another": ("{kill: {}}", "{kill: {status: 503}}", "fault.variants.kill.status: found an unknown"),
    "Toxiproxy without a proxy": (
        "fault:\n",
        "fault:\n  injector: toxiproxy\n",
        "fault.target: found nothing, expected the name of a proxy",
    ),
    "Toxiproxy that speaks HTTP": (
        "  variants: {kill: {}}",
        "  injector: toxiproxy\n  target: a\n  variants: {429: {}}",
        "d.yaml:8: fault.variants.429: found this variant, expected one of kill, timeout, slow, truncated",
    ),
}


@pytest.mark.parametrize(("before", "after", "words"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_said_with_its_line_and_key(tmp_path: Path, before: str, after: str, words: str) -> None:
    assert words in said(tmp_path / "d.yaml", WHOLE.replace(before, after))


def test_a_file_that_is_not_there_or_empty_is_said(tmp_path: Path) -> None:
    assert "expected a mapping that begins with kind: Drill" in said(tmp_path / "d.yaml", "")
    with pytest.raises(ConfigError, match="no such file"):
        written.load(tmp_path / "nowhere.yaml")


def prepared(tmp_path: Path, variant: str = "", **changed: object) -> str:
    """What is said of a drill beside the example of a gateway."""
    path = tmp_path / "d.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(WHOLE) | changed))
    with pytest.raises(ConfigError) as raised:
        drilling.prepare(path, settings.load(ROOT / "config" / "examples" / "gateway.yaml", {}), variant)
    return str(raised.value)


def test_what_is_wrong_beside_the_configuration_is_said_too(tmp_path: Path) -> None:
    assert "gateway: found other, expected one of the configuration's: chat" in prepared(tmp_path, gateway="other")
    assert "--variant: found slow, expected one of kill" in prepared(tmp_path, "slow")


def test_a_fault_that_is_too_short_to_break_the_promise_is_refused(tmp_path: Path) -> None:
    assert "limits.duration: found 40 s, expected 55 s at least" in prepared(tmp_path, limits={"duration": "40s"})


def test_a_name_that_no_folder_has_says_where_it_was_looked_for(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(WHOLE)
    environ = {"SENTINEL_DRILLS": str(tmp_path)}

    assert drilling.find("mine", environ) == tmp_path / "mine.yaml"
    assert drilling.find("provider-outage", environ) == SHIPPED
    with pytest.raises(ConfigError, match=str(tmp_path)):
        drilling.find("other", environ)
