"""No address is shown by two attachments, none without its lock, and no lock is left over, whatever is late, lost or
ended: every state of small worlds. Each mistake that the protocol guards against is found."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.controllers.model.addresses import MISTAKES, Addresses
from tests.controllers.model.scopes import ADDRESSES_SCOPES, FOUND_IN, FOUND_IN_LARGE
from tests.controllers.model.search import explore


@pytest.mark.parametrize("name", ADDRESSES_SCOPES)
def test_no_state_is_wrong(name: str) -> None:
    found = explore(Addresses(ADDRESSES_SCOPES[name]))
    print(f"{name}: {found}")
    assert found.complete and not found.wrong, found


def test_every_mistake_is_looked_for() -> None:
    assert {*FOUND_IN, *FOUND_IN_LARGE} == set(MISTAKES)


@pytest.mark.parametrize("mistake", FOUND_IN)
def test_each_mistake_is_found(mistake: str) -> None:
    found = explore(Addresses(replace(FOUND_IN[mistake], mistakes=frozenset({mistake}))))
    assert found.wrong and found.trace, f"{mistake}: {found}"
