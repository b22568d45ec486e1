"""The configuration that `edged init` writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from edged import config
from edged.cli.installation.default_config import Choices, node_name, render
from edged.cli.installation.layout import Layout


def test_only_what_differs_from_the_defaults_is_in_it() -> None:
    text = render(Layout(), Choices(["admission"], "/m.wasm", "/share/edged.toml"))
    found = config.parse(text)
    assert "[node]" not in text and "listen" not in text and "/share/edged.toml has every key" in text
    assert found.admission is not None and [each.module for each in found.admission.policy] == ["file:///m.wasm"]
    assert found.node == config.Config().node and found.scheduler is None


def test_both_parts_and_other_places() -> None:
    layout = Layout(state=Path('/srv/a "b"'), folder=Path("/srv/etc"))
    choices = Choices(["admission", "scheduler"], "/m.wasm", "/r", "10.0.0.1:8443", "127.0.0.1:9", "edge-1")
    found = config.parse(render(layout, choices))
    assert found.node.state_dir == '/srv/a "b"' and found.node.name == "edge-1"
    assert found.admission is not None and found.admission.dialled == "https://10.0.0.1:8443"
    assert found.observability.listen == "127.0.0.1:9"
    assert found.scheduler is not None and found.kubernetes.kubeconfig == "/srv/etc/kubeconfig"


@pytest.mark.parametrize(("host", "name"), [
    ("edge-1.lan", ""), ("my_host", "my-host"), ("_a_._b", "a.b"), ("Ümlaut", "mlaut"), ("___", "node"),
])  # fmt: skip
def test_a_host_whose_name_cannot_name_objects_gets_one(host: str, name: str) -> None:
    assert node_name(host) == name
