"""Where custom resources may take modules from."""

from __future__ import annotations

import pytest

from edged.admission.resources.module_places import source_problem

DIRS = ("/opt/modules", "/srv/m/")
SOURCES = ("ghcr.io/kubewarden", "https://example.com/policies/", "registry.local:5000")


@pytest.mark.parametrize(
    "url",
    [
        "registry://ghcr.io/kubewarden/policies/p:v1",
        "https://ghcr.io/kubewarden/p.wasm",
        "https://example.com/policies/a/b.wasm",
        "registry://registry.local:5000/p@sha256:00",
        "registry://GHCR.io/kubewarden/p:v1",
        "file:///opt/modules/a.wasm",
        "file:///srv/m/deep/a.wasm",
        "file:///opt/modules/x/../a.wasm",
    ],
)
def test_allowed(url: str) -> None:
    assert source_problem(url, DIRS, SOURCES) == ""


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("registry://ghcr.io/kubewarden-evil/p:v1", "module_sources"),
        ("registry://ghcr.io/other/p:v1", "module_sources"),
        ("registry://ghcr.io/kubewarden/../other/p:v1", "module_sources"),
        ("registry://ghcr.io/kubewarden/%2e%2e/other/p:v1", "module_sources"),
        ("registry://registry.local/p", "module_sources"),
        ("registry://example.com/policies/a", "module_sources"),
        ("https://example.com/policies-evil/a.wasm", "module_sources"),
        ("https://user@ghcr.io/kubewarden/p", "without a user"),
        ("http://ghcr.io/kubewarden/p", "must be"),
        ("https://169.254.169.254/latest", "link-local"),
        ("https://[fe80::1]/x.wasm", "link-local"),
        ("https://[fe80::1%25eth0]/x.wasm", "link-local"),
        ("https://[::ffff:169.254.169.254]/x.wasm", "link-local"),
        ("https://127.0.0.1/x.wasm", "loopback"),
        ("https://localhost:8443/x.wasm", "loopback"),
        ("https://a.localhost/x.wasm", "loopback"),
        ("https://0.0.0.0/x.wasm", "loopback"),
        ("https://2130706433/x.wasm", "loopback"),
        ("https://127.1/x.wasm", "loopback"),
        ("https://0x7f000001/x.wasm", "loopback"),
        ("file:///etc/passwd", "module_dirs"),
        ("file:///opt/modules/../../etc/passwd", "module_dirs"),
        ("file:///opt/modules/%2e%2e/secret", "module_dirs"),
        ("file:///opt/modules", "module_dirs"),
        ("file:///opt/modules-evil/a.wasm", "module_dirs"),
        ("file://host/opt/modules/a.wasm", "absolute path"),
        ("file:relative", "absolute path"),
        ("/opt/modules/a.wasm", "must be"),
        ("", "must be"),
        ("https://example.com\\@evil/x", "characters"),
        ("https://exa mple.com/x", "characters"),
        ("https://[::1/x", "not a URL"),
    ],
)
def test_refused(url: str, why: str) -> None:
    assert why in source_problem(url, DIRS, SOURCES)


def test_inward_addresses_are_refused_even_where_they_are_listed() -> None:
    assert "loopback" in source_problem("https://127.0.0.1/x.wasm", (), ("127.0.0.1",))


def test_nothing_is_allowed_by_default() -> None:
    assert source_problem("registry://ghcr.io/kubewarden/p:v1", (), ())
    assert source_problem("file:///opt/modules/a.wasm", (), ())
