"""What `make test-kube` installs, and how it names what is missing."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from tests import parts, toolchains

NOTHING = dict.fromkeys(toolchains.LACKING, "")


def test_every_part_that_needs_something_is_known() -> None:
    assert sorted(toolchains.LACKING) == sorted({"kube", *parts.TOOLCHAINS})


def test_what_is_missing_leaves_the_other_parts() -> None:
    here = toolchains.found(NOTHING | {"rust": "no linker", "npm": "no node"}, everything=False)
    assert here == toolchains.Found(("kube", "go", "zig"), ("no linker", "no node"), fails=False)
    assert toolchains.found(NOTHING | {"rust": "no linker"}, everything=True).fails
    assert not toolchains.found(NOTHING, everything=True).fails


def test_without_kubernetes_programs_it_fails_and_says_a_reason_once() -> None:
    here = toolchains.found(NOTHING | {"kube": "there is no Go", "go": "there is no Go"}, everything=False)
    assert here == toolchains.Found(("rust", "zig", "npm"), ("there is no Go",), fails=True)


def test_a_missing_program_is_named_with_where_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "apt-get install nodejs npm" in toolchains.lacking("npm")
    assert "wasm-ld is missing (Debian: lld)" in toolchains.lacking("rust")
    monkeypatch.setattr(toolchains.kube, "go_program", lambda: None)
    monkeypatch.setenv("EDGED_KUBE_CACHE", str(tmp_path))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    assert toolchains.lacking("go").startswith("there is no Go: install Go 1.26 or newer (https://go.dev/dl)")
    assert toolchains.lacking("kube").startswith("etcd, kubectl, kube-apiserver, ")
    assert toolchains.lacking("kube").endswith("or name a folder with ready programs in KUBEBUILDER_ASSETS")


def test_zig_is_installed_in_the_version_that_modules_name() -> None:
    version = toolchains.zig_pin().removeprefix("ziglang==")
    assert version.count(".") == 2
    assert (importlib.util.find_spec("ziglang") is None) == (toolchains.zig_pin() in toolchains.lacking("zig"))
