"""`find("kube-apiserver")`: the path of a part (a program, or a file), or one sentence that says how to get it.

A missing part is an error and never a skip: a test that did not run proves
nothing, and nobody reads a list of skips.
"""

import os
from pathlib import Path

from tests.parts import cache
from tests.parts.recipes import RECIPES, GoFiles, NpmFiles, Recipe


class MissingPart(RuntimeError):
    """A part that a test needs is not on this machine."""


def find(name: str) -> Path:
    """The part `name`, e.g. `etcd`; raises MissingPart, or KeyError for an unknown name."""
    recipe = recipe_of(name)
    if ready := from_assets(name):
        return ready
    if is_made(recipe):
        return place(recipe, name)
    raise MissingPart(
        f"{name} {recipe.version} is not in {place(recipe, name).parent}; "
        f"`{recipe.command}` brings it (about {recipe.minutes} min the first time)"
    )


def recipe_of(name: str) -> Recipe:
    for recipe in RECIPES:
        if name in recipe.binaries:
            return recipe
    known = ", ".join(sorted(binary for recipe in RECIPES for binary in recipe.binaries))
    raise KeyError(f"no part is called {name!r}; there are {known}")


def is_made(recipe: Recipe) -> bool:
    """Whether the cache has it as today's recipe makes it, and not as an older one did."""
    built = all(is_usable(recipe, place(recipe, name)) for name in recipe.binaries)
    mark = stamp(recipe)
    return built and mark.is_file() and mark.read_text() == recipe.fingerprint()


def place(recipe: Recipe, name: str) -> Path:
    """Where the cache has this part of the recipe, or will have it."""
    return (cache.files() if isinstance(recipe, GoFiles | NpmFiles) else cache.binaries()) / name


def is_usable(recipe: Recipe, path: Path) -> bool:
    return path.is_file() and (isinstance(recipe, GoFiles | NpmFiles) or os.access(path, os.X_OK))


def stamp(recipe: Recipe) -> Path:
    """The file that holds the fingerprint of the recipe it was made by."""
    return cache.stamps() / f"{type(recipe).__name__}-{recipe.name}"


def from_assets(name: str) -> Path | None:
    folder = cache.assets()
    return executable(folder / name) if folder else None


def executable(path: Path) -> Path | None:
    return path if path.is_file() and os.access(path, os.X_OK) else None
