"""A daemon whose policies come from a registry: started before it, beside it, and after it was there and went.

No API server takes part; a fake registry does, so that it can be away, slow and wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edged.wasm import binary
from tests.cluster.edged import MODULES, Edged, pod, policy, wait_for
from tests.registry.fake import Fake, fake

PRIVILEGED = pod("x", privileged=True)
MODULE = (MODULES / "pod-privileged" / "pod-privileged.wasm").read_bytes()
LOCAL = policy("local", "pod-privileged")


@pytest.fixture
def registry() -> Iterator[Fake]:
    with fake() as server:
        yield server


def make(registry: Fake, tmp_path: Path, name: str = "p:v1", *, offline: bool = False) -> Edged:
    """Not started yet."""
    sources = tmp_path / "sources.yml"
    sources.write_text(f"insecure_sources: ['{registry.host}']\n")
    remote = {"name": "remote", "module": f"registry://{registry.host}/{name}"}
    edged = Edged(kubeconfig=None, policies=[LOCAL, remote], register="none")
    text = edged.config.read_text()
    edged.config.write_text(f'{text}\n[registry]\nsources = "{sources}"\noffline = {str(offline).lower()}\n')
    return edged


def said(edged: Edged, name: str) -> str:
    response = edged.review(name, PRIVILEGED)
    assert not response["allowed"]
    message: str = response["status"]["message"]
    return message


def denies(edged: Edged) -> bool:
    return "privileged" in said(edged, "remote")


def test_a_start_waits_for_no_registry(registry: Fake, tmp_path: Path) -> None:
    with make(registry, tmp_path) as edged:
        assert "privileged" in said(edged, "local")
        assert f"registry://{registry.host}/p:v1" in said(edged, "remote")
        assert edged.review("remote", PRIVILEGED)["status"]["code"] == 500
        assert edged.status()["policies"]["remote"]["state"] == "failed"
        registry.publish("p", "v1", MODULE)
        wait_for(lambda: denies(edged), "the module to arrive", seconds=40)
        assert edged.status()["policies"]["remote"]["state"] == "loaded"


def test_what_was_fetched_once_is_there_after_a_restart_without_a_registry(registry: Fake, tmp_path: Path) -> None:
    for name in ("p:v1", "p:latest"):
        registry.publish("p", name.partition(":")[2], MODULE)
        with make(registry, tmp_path, name) as edged:
            wait_for(lambda edged=edged: denies(edged), "the module", seconds=40)
            edged.kill()
            registry.pages.clear()
            edged.start()
            assert denies(edged), "at once, from the local store"


def test_latest_is_looked_for_again(registry: Fake, tmp_path: Path) -> None:
    registry.publish("p", "latest", MODULE)
    with make(registry, tmp_path, "p:latest") as edged:
        wait_for(lambda: denies(edged), "the module", seconds=40)
        edged.stop()
        registry.publish("p", "latest", binary.append_custom_section(MODULE, "other", b"bytes"))
        edged.start()
        wait_for(lambda: edged.status()["policies"]["remote"]["digest"] != before(edged), "the new one", seconds=40)


def before(edged: Edged) -> str:
    digest: str = edged.status()["policies"]["local"]["digest"]
    return digest


def test_offline_is_said(registry: Fake, tmp_path: Path) -> None:
    registry.publish("p", "v1", MODULE)
    with make(registry, tmp_path, offline=True) as edged:
        wait_for(lambda: "offline" in said(edged, "remote"), "the reason")
        assert registry.asked == [] and "privileged" in said(edged, "local")


def test_garbage_from_a_registry_costs_its_policy_alone(registry: Fake, tmp_path: Path) -> None:
    registry.publish("p", "v1", b"\0asm garbage")
    with make(registry, tmp_path) as edged:
        wait_for(lambda: "fetched" not in said(edged, "remote"), "a look at what came")
        assert "privileged" in said(edged, "local") and not denies(edged)
