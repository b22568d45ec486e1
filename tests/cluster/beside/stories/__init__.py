"""All stories, by subject: each file has a tuple STORIES."""

from __future__ import annotations

import importlib
import pkgutil

from tests.cluster.beside.steps import Story


def stories() -> list[Story]:
    found: list[Story] = []
    for module in sorted(each.name for each in pkgutil.iter_modules(__path__)):
        found += importlib.import_module(f"{__name__}.{module}").STORIES
    return found
