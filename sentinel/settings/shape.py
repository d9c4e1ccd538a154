"""Which keys exist where, read off the models themselves, so that no second list can go stale."""

from __future__ import annotations

import typing
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from sentinel.settings.model import Settings
from sentinel.settings.tree import Path


def keys(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Give the keys of one mapping as they are written, and what each holds."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def model_at(path: Path, whole: type[BaseModel] = Settings) -> type[BaseModel] | None:
    """Give the model of the mapping at this path; None where there is no mapping to be."""
    model: type[BaseModel] | None = whole
    for part in path:
        if isinstance(part, int):
            continue
        field = keys(model).get(part) if model else None
        model = next(_models(field.annotation), None) if field else None
    return model


def is_text(field: FieldInfo) -> bool:
    """Say whether a value is text, so that `123` and `on` need no quotes there."""
    annotation = field.annotation
    plain = not {int, float, bool} & set(_leaves(annotation)) and not any(_models(annotation))
    return plain and tuple not in _origins(annotation)


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
