"""A plugin for pytest with the fixture `sandbox`: a Kubernetes API server for one test, ready in milliseconds.

    # conftest.py
    pytest_plugins = ["edged.sandbox.pytest"]

    # a test
    @pytest.mark.sandbox(load=["manifests/crd.yaml"], faults=["update leases.coordination.k8s.io 409 times=1"])
    def test_lock(sandbox):
        client = lightkube.Client(lightkube.KubeConfig.from_file(sandbox.kubeconfig))

The mark is optional. Its `load` has files or objects, its other arguments are those of ThreadedSandbox.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from edged.sandbox.threaded import ThreadedSandbox


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "sandbox(load, faults, seed, clock, tls, rbac): what the fixture `sandbox` starts with"
    )


@pytest.fixture
def sandbox(request: pytest.FixtureRequest) -> Iterator[ThreadedSandbox]:
    """An API server of this test alone."""
    mark = request.node.get_closest_marker("sandbox")
    options: dict[str, Any] = dict(mark.kwargs) if mark else {}
    sources = options.pop("load", ())
    with ThreadedSandbox(**options) as running:
        running.load(*sources)
        yield running
