"""What a server answered, taken apart: the type that is expected, or a sentence that says what was found."""

from collections.abc import Iterator, Mapping
from typing import Any


def mapping(value: Any, name: str) -> Mapping[str, Any]:
    """A mapping; none is an empty one. Raises ValueError."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError(f"{name}: found {_kind(value)}, expected a mapping")  # noqa: TRY004  # of foreign data
    return value


def mappings(value: Any, name: str) -> Iterator[Mapping[str, Any]]:
    """A list of mappings; none is an empty one. Raises ValueError."""
    for number, item in enumerate(_list(value, name)):
        yield mapping(item, f"{name}[{number}]")


def words(value: Any, name: str) -> tuple[str, ...]:
    """A list of texts; none is an empty one. Raises ValueError."""
    return tuple(word(item, f"{name}[{number}]") for number, item in enumerate(_list(value, name)))


def word(value: Any, name: str) -> str:
    """A text; none is an empty one, and what YAML takes for a number or a truth is one. Raises ValueError."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None or isinstance(value, str | int | float):
        return "" if value is None else str(value)
    raise ValueError(f"{name}: found {_kind(value)}, expected text")


def texts(value: Any, name: str) -> dict[str, str]:
    """A mapping from texts to texts. Raises ValueError."""
    return {str(key): word(item, f"{name}.{key}") for key, item in mapping(value, name).items()}


def _list(value: Any, name: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise ValueError(f"{name}: found {_kind(value)}, expected a list")  # noqa: TRY004  # of foreign data
    return value


def _kind(value: Any) -> str:
    names = {"dict": "a mapping", "list": "a list", "str": "text"}
    return names.get(type(value).__name__, type(value).__name__)
