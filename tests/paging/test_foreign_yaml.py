"""YAML of others: as the usual reader has it, but scalars stay text, and nothing in it can hurt."""

import pytest
import yaml

from sentinel.clients.foreign_yaml import loaded
from sentinel.errors import BadReply

TEXT = """
global: {resolve_timeout: 5m, empty: , nothing: null, off: "off", no: 'null'}
route:
  receiver: page
  continue: true
  group_by: ['...']
  routes:
  - matchers:
    - a="b"
  - {}
list: []
number: 010
long: |
  two
  lines
"""


def test_it_is_what_the_usual_reader_has_but_scalars_stay_text() -> None:
    assert loaded("x", TEXT) == yaml.load(TEXT, Loader=yaml.BaseLoader) | {
        "global": {"resolve_timeout": "5m", "empty": None, "nothing": None, "off": "off", "no": "null"},
        "route": {
            "receiver": "page",
            "continue": True,
            "group_by": ["..."],
            "routes": [{"matchers": ['a="b"']}, {}],
        },
    }


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[" * 100_000, "no YAML"),
        ("a: " + "{a: " * 500 + "}" * 500, "no YAML"),
        ("a: &x [1]\nb: *x", "an alias"),
        ("a: 1\n b: 2", "no YAML"),
        ("{[1]: 2}", "a key that is no text"),
        ("\x00", "no YAML"),
        ("", "tells no configuration"),
        (None, "tells no configuration"),
    ],
)
def test_what_is_none_is_a_sentence(text: object, sentence: str) -> None:
    with pytest.raises(BadReply, match=sentence):
        loaded("x", text)
