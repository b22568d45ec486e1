"""The real registry for tests here: skipped where it can neither be had nor built, a failure where CI is set."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.registry import build
from tests.registry.real import RealRegistry


@pytest.fixture(scope="session")
def registry_program() -> None:
    """Builds it first where needed."""
    possible = build.available()
    if not possible:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(possible.reason)
    build.program()


@pytest.fixture(scope="module", params=["open", "password", "token"])
def real_registry(
    request: pytest.FixtureRequest, registry_program: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RealRegistry]:
    """One behind TLS for each way of logging in."""
    login = "" if request.param == "open" else request.param
    with RealRegistry(tmp_path_factory.mktemp("registry"), login) as registry:
        yield registry
