"""The configuration shown: its JSON Schema for editors, and what is in force as YAML for people."""

from __future__ import annotations

import ast
import inspect
import textwrap
from typing import Any

import yaml
from pydantic import BaseModel

from sentinel.settings import shape
from sentinel.settings.model import Settings


def schema() -> dict[str, Any]:
    """Give the JSON Schema of the file, with each default's reason as the description."""
    whole = Settings.model_json_schema(by_alias=True)
    models = {model.__name__: model for model in shape.every_model()}
    for name, definition in {"Settings": whole, **whole.get("$defs", {})}.items():
        if name in models:
            _describe(definition, models[name])
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **whole}


def _describe(definition: dict[str, Any], model: type[BaseModel]) -> None:
    reasons = _docstrings(model)
    defaults = model.model_construct().model_dump(mode="json", by_alias=True)
    for name, field in model.model_fields.items():
        key = field.alias or name
        definition["properties"][key]["description"] = reasons[name]
        if key in defaults:  # pydantic itself writes durations as PT10S here
            definition["properties"][key]["default"] = defaults[key]


def _docstrings(model: type[BaseModel]) -> dict[str, str]:
    """Read the text under each field; done here, so that a daemon does not pay for it."""
    body = ast.parse(textwrap.dedent(inspect.getsource(model))).body[0]
    assert isinstance(body, ast.ClassDef)
    found = {}
    for field, text in zip(body.body, body.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            found[ast.unparse(field.target)] = inspect.cleandoc(str(text.value.value)).replace("\n", " ")
    return found


def show(settings: Settings) -> str:
    """Give the configuration in force as YAML: every key, defaults and overrides included."""
    values = settings.model_dump(mode="json", by_alias=True)
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=100)
