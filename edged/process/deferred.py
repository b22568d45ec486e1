"""Modules that are imported by others and hardly ever used: imported really when something of them is first used.

lightkube imports asyncio for credentials that a program prints, and yaml for kubeconfig files; the package itself
imports its clients and the models of all kinds, where edged reads kubeconfig files with it: 4.8 MiB together, which a
daemon need not have. `importlib.util.LazyLoader` does not do here, because a second import statement of the same module
makes it load. Called by `edged run` before anything else is imported.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import sys
from types import ModuleType
from typing import Any


class _Deferred(ModuleType):
    """Stands in for a module until one of its names is asked for."""

    def __getattr__(self, name: str) -> Any:
        package = self.__name__.partition(".")[0]
        for loaded, module in list(sys.modules.items()):
            if isinstance(module, _Deferred) and loaded.partition(".")[0] == package:
                del sys.modules[loaded]
        # The package first: a submodule of which its parent is in sys.modules would be imported without it.
        importlib.import_module(package)
        return getattr(importlib.import_module(self.__name__), name)


def defer(*names: str) -> None:
    """Have these imported at their first use. With a submodule name its package, too. Nothing that is there already."""
    for name in names:
        if name not in sys.modules:
            sys.modules[name] = _Deferred(name)


def defer_package(name: str) -> None:
    """The same for what a package of the top imports itself; its submodules are imported as ever."""
    found = importlib.machinery.PathFinder.find_spec(name)
    if name in sys.modules or found is None:
        return
    package = _Deferred(name)
    package.__path__ = list(found.submodule_search_locations or ())
    sys.modules[name] = package
