"""Which way of registering a configuration asks for, and whose the objects are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edged.admission.endpoint.dynamic_registration import DynamicRegistration
from edged.admission.endpoint.registration_modes import make_registration, owner_identity
from edged.admission.endpoint.static_registration import StaticRegistration
from edged.errors import ConfigError
from tests.admission.endpoint.fake_server import TARGET, FakeServer
from tests.kube.support import quiet


def test_make_registration():
    server = FakeServer()
    assert make_registration("none", TARGET, print, quiet()).state.phase == "off"
    assert isinstance(make_registration("dynamic", TARGET, print, quiet(), client=server), DynamicRegistration)
    assert isinstance(make_registration("static", TARGET, print, quiet(), static_dir=Path("/x")), StaticRegistration)
    with pytest.raises(ConfigError):
        make_registration("dynamic", replace(TARGET, url="http://x"), print, quiet(), client=server)
    with pytest.raises(ConfigError):
        make_registration("dynamic", TARGET, print, quiet())


def test_owner_identity(tmp_path):
    (tmp_path / "id").write_text("0123456789abcdef\n")
    found = owner_identity("edge-1", tmp_path / "id")
    assert found.startswith("edge-1/") and len(found) == len("edge-1/") + 8
    assert owner_identity("edge-1", tmp_path / "absent") == "edge-1"
