"""A sandbox in a thread, and the fixture of the pytest plugin."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edged.errors import ConfigError
from edged.sandbox.threaded import ThreadedSandbox

TESTS = '''
import lightkube, pytest
from lightkube.resources.core_v1 import ConfigMap

SAVED = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}

@pytest.mark.sandbox(load=[SAVED, "map.yaml"], faults=["delete configmaps 429 times=1"])
def test_one(sandbox):
    client = lightkube.Client(lightkube.KubeConfig.from_file(sandbox.kubeconfig))
    assert [each.metadata.name for each in client.list(ConfigMap)] == ["a", "b"]
    with pytest.raises(lightkube.ApiError):
        client.delete(ConfigMap, "a")

def test_each_test_has_one_of_its_own(sandbox):
    assert sandbox.request("GET", "/api/v1/namespaces/default/configmaps/a")[0] == 404
'''


def test_with_tls_and_a_kubeconfig() -> None:
    with ThreadedSandbox(tls=True) as sandbox:
        assert sandbox.url.startswith("https://")
        assert sandbox.request("GET", "/readyz") == (200, "ok")
        kubeconfig = sandbox.kubeconfig
        assert sandbox.url in kubeconfig.read_text()
    sandbox.stop()
    assert not kubeconfig.exists()


def test_a_wrong_rule_is_an_error_at_once() -> None:
    with pytest.raises(ConfigError, match="is no verb"):
        ThreadedSandbox(faults=["sing * 409"])


def test_the_fixture(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(TESTS)
    (tmp_path / "map.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\n")
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "edged.sandbox.pytest", "-p", "no:cacheprovider",
               "--strict-markers", "."]  # fmt: skip
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    assert "2 passed" in ran.stdout, ran.stdout + ran.stderr
