"""Which keys exist where, read off the models themselves, so that no second list can go stale."""

from __future__ import annotations

import typing
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from sentinel.settings.model import Settings
from sentinel.settings.tree import Path


def keys(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Give the keys of one mapping as they are written, and what each holds."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def model_at(path: Path) -> type[BaseModel] | None:
    """Give the model of the mapping at this path; None where there is no mapping to be."""
    model: type[BaseModel] | None = Settings
    for part in path:
        if isinstance(part, int):
            continue
        field = keys(model).get(part) if model else None
        model = next(_models(field.annotation), None) if field else None
    return model


def path_of(names: Sequence[str]) -> Path | None:
    """Find the keys that these names mean, whatever their case; None if one of them does not exist."""
    path: Path = ()
    for name in names:
        model = model_at(path)
        found = [key for key in keys(model) if key.lower() == name.lower()] if model else []
        if not found or (path and _is_list(path)):
            return None
        path = (*path, found[0])
    return path


def is_text(path: Path) -> bool:
    """Say whether the value at this path is text, so that `123` and `on` need no quotes there."""
    field = _field(path)
    return (
        field is not None
        and not {int, float, bool} & set(_leaves(field.annotation))
        and not _is_list(path)
        and (model_at(path) is None)
    )


def _is_list(path: Path) -> bool:
    field = _field(path)
    return field is not None and tuple in _origins(field.annotation)


def _field(path: Path) -> FieldInfo | None:
    model = model_at(path[:-1])
    return keys(model).get(str(path[-1])) if model else None


def _leaves(annotation: Any) -> list[Any]:
    inner = typing.get_args(annotation)
    return [leaf for part in inner for leaf in _leaves(part)] if inner else [annotation]


def _origins(annotation: Any) -> list[Any]:
    inner = [origin for part in typing.get_args(annotation) for origin in _origins(part)]
    return [typing.get_origin(annotation), *inner]


def _models(annotation: Any) -> typing.Iterator[type[BaseModel]]:
    return (leaf for leaf in _leaves(annotation) if isinstance(leaf, type) and issubclass(leaf, BaseModel))


def every_model(model: type[BaseModel] = Settings) -> typing.Iterator[type[BaseModel]]:
    """Give this model and every model below it, each after the one that holds it."""
    yield model
    for field in model.model_fields.values():
        for inner in _models(field.annotation):
            yield from every_model(inner)
