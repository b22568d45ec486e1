"""Explores the large worlds: `python -m tests.controllers.model [MOST_STATES]`. Takes an hour and some gigabytes; one
that has more states than given is left unfinished and says so. Exit status 1 where a state is wrong, or a mistake was
not found."""

from __future__ import annotations

import sys
from dataclasses import replace

from tests.controllers.model.addresses import Addresses
from tests.controllers.model.scopes import ADDRESSES_LARGE, FOUND_IN_LARGE, SUBNETS_LARGE
from tests.controllers.model.search import explore
from tests.controllers.model.subnets import Subnets


def main(most: int) -> int:
    """The exit status."""
    bad = 0
    for name, world in SUBNETS_LARGE.items():
        bad += _say(f"Subnets: {name}", str(found := explore(Subnets(world), most)), bool(found.wrong))
    for name, scope in ADDRESSES_LARGE.items():
        bad += _say(f"addresses: {name}", str(found := explore(Addresses(scope), most)), bool(found.wrong))
    for mistake, scope in FOUND_IN_LARGE.items():
        found = explore(Addresses(replace(scope, mistakes=frozenset({mistake}))), most)
        bad += _say(f"mistake: {mistake}", str(found), not found.wrong)
    return 1 if bad else 0


def _say(what: str, found: str, bad: bool) -> bool:
    print(f"{'FAILED ' if bad else ''}{what}: {found}", flush=True)
    return bad


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000))
