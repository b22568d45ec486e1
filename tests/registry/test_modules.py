"""From URL to file: what is fetched, what is kept, and what happens while nobody answers."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from pathlib import Path

import pytest
import trio

from edged.errors import ConfigError
from edged.registry.config import RegistryConfig
from edged.registry.modules import Modules, ModuleUnavailable
from edged.registry.origin import TRUSTED, Restrictions
from edged.registry.places import Places
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


WHOLE = WASM + b"\0\4\3abc"


def test_two_who_fetch_one_module_in_different_ways_do_not_mix(tmp_path, server):
    """They had one temporary file: what the first had written was cut off by the second."""
    contents = [WASM + b"\0\xfe\xff\xff\0\1" + bytes([n]) * ((2 << 20) - 3) for n in range(2)]
    left = list(contents)

    def page(*_):
        return 200, {}, left.pop()

    server.pages["/p.wasm"] = page
    rig = Rig(tmp_path, server)
    url = f"https://{server.host}/p.wasm"

    async def main():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(rig.modules.path, url)
            nursery.start_soon(rig.modules.path, url, Restrictions(credentials=False))

    trio.run(main)
    assert not left, "each fetched it"
    path = rig.modules.store.path(url)
    assert path.read_bytes() in contents and [each.name for each in path.parent.iterdir()] == [path.name]
    assert not rig.modules._busy
    again = Rig(tmp_path, server)
    assert again.path(url) == path and not again.said


def test_a_damaged_module_is_fetched_again(tmp_path, server):
    server.publish("p", "v1", WHOLE)
    url = f"registry://{server.host}/p:v1"
    path = Rig(tmp_path, server).path(url)
    server.asked.clear()
    assert Rig(tmp_path, server).path(url) == path and not server.asked
    path.write_bytes(WHOLE[:-1] + b"X")
    rig = Rig(tmp_path, server)
    assert trio.run(rig.modules.kept, url) is None, "without a download there is none"
    assert "stored module is damaged and not used" in rig.said[0] and str(path) in rig.said[0]
    assert rig.path(url) == path and path.read_bytes() == WHOLE
    path.write_bytes(WHOLE[:-2])
    assert rig.path(url).read_bytes() == WHOLE, "also while the process runs"
    path.write_bytes(b"")
    with pytest.raises(ModuleUnavailable, match="offline"):
        Rig(tmp_path, server, offline=True).path(url)
    server.pages.clear()
    with pytest.raises(ModuleUnavailable, match="not found"):
        Rig(tmp_path, server).path(url)


def test_a_module_that_was_cut_short_is_not_stored(tmp_path, server):
    """An answer without a length ends with the connection, whatever ended that."""
    server.pages["/p.wasm"] = (200, {"Transfer-Encoding": "identity", "Connection": "close"}, WHOLE[:-1])
    rig = Rig(tmp_path, server)
    with pytest.raises(ModuleUnavailable):
        rig.path(f"https://{server.host}/p.wasm")
    server.pages["/p.wasm"] = (200, {}, WHOLE[:-1])
    with pytest.raises(ModuleUnavailable, match="the beginning of a Wasm module"):
        rig.path(f"https://{server.host}/p.wasm")
    assert rig.modules.local(f"https://{server.host}/p.wasm") is None


def test_a_disk_without_room_costs_that_download(tmp_path, server):
    """It may be tried again, and what was fetched before is used meanwhile."""
    small = tmp_path / "state"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "edged-test", str(small)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("cannot mount a small file system here")
    try:
        rig = Rig(tmp_path, server)
        server.publish("p", "latest", WHOLE)
        latest, large = f"registry://{server.host}/p", f"registry://{server.host}/large:v1"
        kept = rig.path(latest)
        server.publish("p", "latest", WHOLE + WHOLE[8:])
        server.publish("large", "v1", WASM + b"\0\xff\xff\7\1" + bytes((8 << 14) - 2))
        with pytest.raises(ModuleUnavailable, match="No space left on device"):
            rig.path(large)
        (small / "filler").write_bytes(b"x" * (small_room(small) & ~4095))
        assert rig.path(latest) == kept and kept.read_bytes() == WHOLE
        assert "No space left" in rig.said[-1] and "the one fetched before is used" in rig.said[-1]
        assert not [path for path in small.rglob("*.tmp")]
        (small / "filler").unlink()
        assert rig.path(latest).read_bytes() == WHOLE + WHOLE[8:]
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)


def small_room(folder):
    room = os.statvfs(folder)
    return room.f_bavail * room.f_bsize


def test_a_registry_that_drips_holds_up_no_other(tmp_path, server):
    """Neither another host, nor, after a while, its own other modules."""
    rig = Rig(tmp_path, server)
    rig.modules._places = {True: Places(place_s=0.5)}
    stop = threading.Event()

    def drip(*_):
        stop.wait(20)
        return 200, {}, WHOLE

    for name in ("slow1", "slow2"):
        server.pages[f"/{name}.wasm"] = drip
    server.pages["/quick.wasm"] = (200, {}, WHOLE)
    with fake() as other:
        (tmp_path / "sources.yml").write_text(f"insecure_sources: ['{server.host}', '{other.host}']\n")
        other.pages["/other.wasm"] = (200, {}, WHOLE)

        async def main():
            async with trio.open_nursery() as nursery:
                for name in ("slow1", "slow2"):
                    nursery.start_soon(rig.modules.path, f"https://{server.host}/{name}.wasm")
                await trio.sleep(0.1)
                with trio.fail_after(5):
                    await rig.modules.path(f"https://{other.host}/other.wasm")
                    await rig.modules.path(f"https://{server.host}/quick.wasm")
                stop.set()

        trio.run(main)
