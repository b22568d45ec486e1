"""Of two Subnets that are in each other's way at most one is ever validated, whatever is late, lost or ended: every
state of small worlds. Each mistake that the protocol guards against is found."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.controllers.model.scopes import ALONE, SUBNETS_SCOPES
from tests.controllers.model.search import explore
from tests.controllers.model.subnets import MISTAKES, Subnets


@pytest.mark.parametrize("name", SUBNETS_SCOPES)
def test_no_state_is_wrong(name: str) -> None:
    found = explore(Subnets(SUBNETS_SCOPES[name]))
    print(f"{name}: {found}")
    assert found.complete and not found.wrong, found


@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_mistake_is_found(mistake: str) -> None:
    scope = SUBNETS_SCOPES[f"two rivals, {'one controller' if mistake in ALONE else 'two controllers'}"]
    found = explore(Subnets(replace(scope, mistakes=frozenset({mistake}))))
    assert found.wrong and found.trace, f"{mistake}: {found}"
