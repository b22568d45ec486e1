"""Finding, reading, merging and re-reading kubeconfig files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import orjson
import pytest
import trio

from edged.errors import ConfigError, PeerError
from edged.kube import kubeconfig
from edged.kube.kubeconfig import ClientSource, Location, open_session
from tests.kube.kubeconfigs import at, config, write
from tests.kube.support import PODS_PATH, fake_server, quiet, run, tls_pair


def test_search_order(tmp_path: Path) -> None:
    home = write(tmp_path / "home/.kube/config", config("http://home"))
    named = write(tmp_path / "named", config("http://named"))
    configured = write(tmp_path / "configured", config("http://configured"))
    environ = {"HOME": str(tmp_path / "home"), "KUBECONFIG": str(named)}
    assert open_session(Location(str(configured), environ=environ))[0].server == "http://configured"
    assert open_session(Location(environ=environ))[0].server == "http://named"
    named.unlink()
    assert open_session(Location(environ=environ))[0].server == "http://home"
    home.unlink()
    with pytest.raises(
        ConfigError, match=r"no kubeconfig found; looked at: .*named.*config, service account of a Pod\. "
    ):
        open_session(Location(environ=environ))
    configured.unlink()
    with pytest.raises(ConfigError, match=r"looked at: .*configured\. "):
        open_session(Location(str(configured), environ=environ))


def test_service_account_of_a_pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in (("KUBERNETES_SERVICE_HOST", "127.0.0.1"), ("KUBERNETES_SERVICE_PORT", "443")):
        monkeypatch.setenv(variable, value)
    _, authority = tls_pair(tmp_path)
    (tmp_path / "token").write_text("t")
    (tmp_path / "namespace").write_text("kube-system")
    authority.rename(tmp_path / "ca.crt")
    location = Location(environ={"KUBERNETES_SERVICE_HOST": "127.0.0.1"}, service_account=str(tmp_path))
    session, files = open_session(location)
    assert session.server == "https://127.0.0.1:443" and session.namespace == "kube-system"
    assert files == [tmp_path / "ca.crt"]
    (tmp_path / "token").unlink()
    with pytest.raises(ConfigError, match="service account"):
        open_session(location)


def test_files_of_one_variable_are_merged_the_first_wins(tmp_path: Path) -> None:
    first = write(tmp_path / "a/first", config("http://first", name="x"))
    second = config("http://second", name="x")
    second["clusters"].append({"name": "y", "cluster": {"server": "http://y"}})
    second["contexts"].append({"name": "y", "context": {"cluster": "y", "user": "x"}})
    environ = {"KUBECONFIG": f"{first}:{write(tmp_path / 'second', second)}:{tmp_path / 'absent'}"}
    assert open_session(Location(environ=environ))[0].server == "http://first"
    assert open_session(Location("", "y", environ=environ))[0].server == "http://y"


def test_names_of_files_are_relative_to_the_kubeconfig(tmp_path: Path) -> None:
    _, authority = tls_pair(tmp_path)
    content = config("https://127.0.0.1:1", tokenFile="token")
    content["clusters"][0]["cluster"]["certificate-authority"] = authority.name
    (tmp_path / "token").write_text("t")
    session, files = open_session(at(write(tmp_path / "config", content)))
    assert files == [tmp_path / "config", authority, tmp_path / "token"]
    assert trio.run(session.authorization) == "Bearer t"


def test_user_may_be_left_out_and_json_is_fine(tmp_path: Path) -> None:
    content = config()
    del content["contexts"][0]["context"]["user"]
    path = tmp_path / "config"
    path.write_bytes(orjson.dumps(content))
    assert open_session(at(path))[0].auth is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update({"current-context": "other"}), "Context 'other' not found; there are: one"),
        (lambda c: c.update({"current-context": "oen"}), "Context 'oen' not found; did you mean one"),
        (lambda c: c.update({"contexts": []}), "Context 'one' not found; it has no contexts"),
        (lambda c: c.pop("current-context"), "No current context.*; --context names one of one"),
        (lambda c: c.update(clusters=[]), "a cluster or user that is not there: 'one'"),
        (lambda c: c.update(users=[]), "a cluster or user that is not there: 'one'"),
        (lambda c: c["clusters"][0].pop("cluster"), "clusters: every entry needs a name and a cluster"),
        (lambda c: c["clusters"][0]["cluster"].update(server=7), "Expected `str`"),
        (
            lambda c: c["clusters"][0]["cluster"].update({"proxy-url": "http://p"}),
            "proxy-url is not supported",
        ),
        (lambda c: c["users"][0]["user"].update({"auth-provider": {"name": "gcp"}}), "auth-provider is not"),
        (lambda c: c["users"][0]["user"].update({"as": "root"}), "user one: as is not supported"),
        (
            lambda c: c["users"][0]["user"].update(exec={"apiVersion": "v9", "command": "x"}),
            "exec plugin x: unknown apiVersion 'v9'",
        ),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, change: Any, message: str) -> None:
    content = config()
    change(content)
    with pytest.raises(ConfigError, match=message):
        open_session(at(write(tmp_path / "config", content)))


@pytest.mark.parametrize("text", [b"", b"just text", b"a: [", b"{", b"\xff\xfe\x00"])
def test_files_that_are_no_kubeconfig(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "config"
    path.write_bytes(text)
    with pytest.raises(ConfigError, match=str(path)):
        open_session(at(path))
    path.unlink()
    path.mkdir()
    with pytest.raises(ConfigError, match="cannot be read"):
        open_session(at(path))


def test_waits_for_the_file_and_follows_it(tmp_path: Path) -> None:
    path = tmp_path / "config"

    async def main() -> None:
        async with fake_server() as server:
            source = ClientSource(at(path), log=quiet(), check_every_s=0.01)
            client = source.client
            async with trio.open_nursery() as nursery:
                await nursery.start(source.run)
                assert not client.configured
                path.write_text("half writ: [")
                with trio.move_on_after(0.05):
                    await client.wait_configured()
                assert not client.configured
                write(path, config(server.url, token="one"))
                await client.wait_configured()
                await client.request("GET", PODS_PATH)
                first = client.session
                path.write_text("broken again: [")
                await trio.sleep(0.05)
                assert client.session is first  # the last good one stays
                write(path, config(server.url, token="another"))
                while client.session is first:
                    await trio.sleep(0.01)
                await client.request("GET", PODS_PATH)
                path.unlink()
                await trio.sleep(0.05)
                assert client.configured
                nursery.cancel_scope.cancel()
            assert [request.headers["authorization"] for request in server.requests] == [
                "Bearer one",
                "Bearer another",
            ]
            assert client.session.http.is_closed

    run(main)


def test_a_round_that_fails_leaves_the_next_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(location: Location) -> None:
        raise RecursionError

    async def main() -> None:
        log = quiet()
        async with fake_server() as server:
            source = ClientSource(at(tmp_path / "config"), log=log, check_every_s=0.01)
            async with trio.open_nursery() as nursery:
                with monkeypatch.context() as patch:
                    patch.setattr(kubeconfig, "open_session", broken)
                    await nursery.start(source.run)
                    write(tmp_path / "config", config(server.url))
                    while log.internal_errors.counts["kubeconfig"] < 2:
                        await trio.sleep(0.001)
                write(tmp_path / "config", config(server.url, token="x"))
                await source.client.wait_configured()
                nursery.cancel_scope.cancel()

    run(main)


def test_reads_again_at_once_after_a_401(tmp_path: Path) -> None:
    async def main() -> None:
        async with fake_server() as server:
            path = write(tmp_path / "config", config(server.url, token="one"))
            source = ClientSource(at(path), log=quiet(), check_every_s=1000.0)
            async with trio.open_nursery() as nursery:
                await nursery.start(source.run)
                server.token = "rotated"
                with pytest.raises(PeerError, match="401"):
                    await source.client.request("GET", PODS_PATH)
                write(path, config(server.url, token="rotated"))
                async with trio.open_nursery() as many:  # one of them reads the file, all get through
                    for _ in range(5):
                        many.start_soon(source.client.request, "GET", PODS_PATH)
                nursery.cancel_scope.cancel()

    run(main)


def test_rotated_certificate_is_noticed(tmp_path: Path) -> None:
    context, authority = tls_pair(tmp_path)

    async def main() -> None:
        async with fake_server(tls=context) as server:
            content = config(server.url)
            content["clusters"][0]["cluster"]["certificate-authority"] = "mine.crt"
            (tmp_path / "other").mkdir()
            _, wrong = tls_pair(tmp_path / "other")
            (tmp_path / "mine.crt").write_bytes(wrong.read_bytes())
            source = ClientSource(at(write(tmp_path / "config", content)), log=quiet(), check_every_s=0.01)
            async with trio.open_nursery() as nursery:
                await nursery.start(source.run)
                with pytest.raises(PeerError, match="certificate not accepted"):
                    await source.client.request("GET", PODS_PATH)
                first = source.client.session
                (tmp_path / "mine.crt").write_bytes(authority.read_bytes())
                while source.client.session is first:
                    await trio.sleep(0.01)
                await source.client.request("GET", PODS_PATH)
                nursery.cancel_scope.cancel()

    run(main)


@pytest.mark.skipif(os.geteuid() != 0, reason="root reads everything, so it has to become another user")
def test_a_file_behind_a_closed_folder_is_said_to_be_closed(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    path = write(tmp_path / "config", config())
    try:
        os.seteuid(65534)
        with pytest.raises(ConfigError, match=f"kubeconfig {path} cannot be read: Permission denied"):
            open_session(at(path))
    finally:
        os.seteuid(0)
