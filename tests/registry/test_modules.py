"""From URL to file: what is fetched, what is kept, and what happens while nobody answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import trio

from edged.errors import ConfigError
from edged.registry.config import RegistryConfig
from edged.registry.modules import Modules, ModuleUnavailable
from edged.registry.origin import TRUSTED, Restrictions
from edged.telemetry.logs import Logger
from tests.registry.fake import WASM, fake


@pytest.fixture
def server():
    with fake() as server:
        yield server


class Rig:
    def __init__(self, tmp_path: Path, server, **registry):
        self.said: list[str] = []
        sources = tmp_path / "sources.yml"
        sources.write_text(f"insecure_sources: ['{server.host}']\n")
        config = RegistryConfig(sources=str(sources), docker_config=str(tmp_path), **registry)
        log = Logger(write=lambda line: self.said.append(line.decode()))
        self.modules = Modules(config, tmp_path / "state", log)

    def path(self, url, restrictions=TRUSTED):
        return trio.run(self.modules.path, url, restrictions)


def test_a_file_stays_where_it_is(tmp_path, server):
    rig = Rig(tmp_path, server)
    assert rig.path("file:///opt/a%20b.wasm") == Path("/opt/a b.wasm")
    with pytest.raises(ConfigError):
        rig.path("file://relative.wasm")


def test_a_tag_is_fetched_once_and_latest_each_time(tmp_path, server):
    rig = Rig(tmp_path, server)
    for tag, times in (("v1", 1), ("latest", 2)):
        server.publish("p", tag, WASM + tag.encode())
        server.asked.clear()
        url = f"registry://{server.host}/p:{tag}"
        assert rig.modules.local(url) is None
        first = rig.path(url)
        assert first.read_bytes() == WASM + tag.encode() and rig.path(url) == first == rig.modules.local(url)
        assert len([path for _, path, _ in server.asked if "manifests" in path]) == times


def test_what_was_fetched_before_serves_while_nobody_answers(tmp_path, server):
    rig = Rig(tmp_path, server)
    server.publish("p", "latest", WASM)
    url = f"registry://{server.host}/p"
    path = rig.path(url)
    server.pages.clear()
    assert rig.path(url) == path
    assert "the one fetched before is used" in rig.said[-1]
    with pytest.raises(ModuleUnavailable, match="not found"):
        rig.path(f"registry://{server.host}/other")


def test_offline_asks_nobody(tmp_path, server):
    server.publish("p", "latest", WASM)
    url = f"registry://{server.host}/p"
    with pytest.raises(ModuleUnavailable, match="offline"):
        Rig(tmp_path, server, offline=True).path(url)
    assert server.asked == []
    Rig(tmp_path, server).path(url)
    server.asked.clear()
    assert Rig(tmp_path, server, offline=True).path(url).exists() and server.asked == []


def test_many_who_want_one_fetch_it_once(tmp_path, server):
    rig = Rig(tmp_path, server)
    server.publish("p", "latest", WASM)
    found = []

    async def main():
        async def ask():
            found.append(await rig.modules.path(f"registry://{server.host}/p"))

        async with trio.open_nursery() as nursery:
            for _ in range(8):
                nursery.start_soon(ask)

    trio.run(main)
    assert len(found) == 8 and len([path for _, path, _ in server.asked if "manifests" in path]) == 1


def test_https_modules(tmp_path, server):
    rig = Rig(tmp_path, server)
    server.pages["/p.wasm"] = (200, {}, WASM)
    server.pages["/text"] = (200, {}, b"hello")
    assert rig.path(f"https://{server.host}/p.wasm").read_bytes() == WASM
    for name, said in (("text", "Wasm module"), ("absent", "HTTP 404")):
        with pytest.raises(ModuleUnavailable, match=said):
            rig.path(f"https://{server.host}/{name}")


def test_mirrors_come_first(tmp_path, server):
    with fake() as mirror:
        rig = Rig(tmp_path, server, mirrors={server.host: (mirror.host,)})
        (tmp_path / "sources.yml").write_text(f"insecure_sources: ['{server.host}', '{mirror.host}']\n")
        server.publish("p", "v1", WASM)
        mirror.publish("p", "v1", WASM)
        rig.path(f"registry://{server.host}/p:v1")
        assert mirror.asked and not server.asked
        server.publish("q", "v1", WASM)
        assert rig.path(f"registry://{server.host}/q:v1").exists()
        with pytest.raises(ModuleUnavailable, match=r"mirror .*; .*not found"):
            rig.path(f"registry://{server.host}/nowhere:v1")


def test_strangers_get_no_credentials_and_no_way_inward(tmp_path, server):
    rig = Rig(tmp_path, server)
    login = {"auths": {server.host: {"username": "u", "password": "p"}}}
    (tmp_path / "config.json").write_text(json.dumps(login))
    server.publish("p", "v1", WASM)
    for page in list(server.pages):
        server.pages[page] = (401, {"WWW-Authenticate": 'Basic realm="r"'}, b"")
    url = f"registry://{server.host}/p:v1"
    with pytest.raises(ModuleUnavailable):
        rig.path(url)
    assert any("authorization" in headers for *_, headers in server.asked)
    server.asked.clear()
    with pytest.raises(ModuleUnavailable, match="not authorised"):
        rig.path(url, Restrictions(credentials=False))
    assert server.asked and not any("authorization" in headers for *_, headers in server.asked)
    server.asked.clear()
    with pytest.raises(ModuleUnavailable, match="loopback"):
        rig.path(url, Restrictions(credentials=False, inward=False))
    assert server.asked == []


def test_a_full_disk_is_an_error_of_that_module(tmp_path, server):
    rig = Rig(tmp_path, server)
    server.publish("p", "v1", WASM)
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "modules").write_text("in the way")
    with pytest.raises(ConfigError, match="cannot keep"):
        rig.path(f"registry://{server.host}/p:v1")


def test_a_bad_sources_file_is_named(tmp_path, server):
    rig = Rig(tmp_path, server)
    (tmp_path / "sources.yml").write_text("insecure: []")
    with pytest.raises(ConfigError, match=r"sources\.yml: unknown key"):
        rig.path(f"registry://{server.host}/p:v1")
