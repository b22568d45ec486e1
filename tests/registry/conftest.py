"""The real registry for tests here, once for each way of logging in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.registry.real import RealRegistry


@pytest.fixture(scope="module", params=["open", "password", "token"])
def real_registry(
    request: pytest.FixtureRequest, registry_program: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RealRegistry]:
    """One behind TLS for each way of logging in."""
    login = "" if request.param == "open" else request.param
    with RealRegistry(tmp_path_factory.mktemp("registry"), login) as registry:
        yield registry
