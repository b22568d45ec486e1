"""Finding, reading, merging and re-reading kubeconfig files."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
import trio

from edged.errors import ConfigError, PeerError
from edged.kube import kubeconfig
from edged.kube.client import Session
from edged.kube.kubeconfig import ClientSource, Location
from edged.process.files import FilesRead
from tests.cluster.certificates import Pair, write_certificates
from tests.kube.kubeconfigs import at, config, opened, write
from tests.kube.support import PODS_PATH, fake_server, quiet, run, tls_pair


def test_search_order(tmp_path: Path) -> None:
    home = write(tmp_path / "home/.kube/config", config("http://home"))
    named = write(tmp_path / "named", config("http://named"))
    configured = write(tmp_path / "configured", config("http://configured"))
    environ = {"HOME": str(tmp_path / "home"), "KUBECONFIG": str(named)}
    assert opened(Location(str(configured), environ=environ)).server == "http://configured"
    assert opened(Location(environ=environ)).server == "http://named"
    named.unlink()
    assert opened(Location(environ=environ)).server == "http://home"
    home.unlink()
    with pytest.raises(
        ConfigError, match=r"no kubeconfig found; looked at: .*named.*config, service account of a Pod\. "
    ):
        opened(Location(environ=environ))
    configured.unlink()
    with pytest.raises(ConfigError, match=r"looked at: .*configured\. "):
        opened(Location(str(configured), environ=environ))


def test_service_account_of_a_pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in (("KUBERNETES_SERVICE_HOST", "127.0.0.1"), ("KUBERNETES_SERVICE_PORT", "443")):
        monkeypatch.setenv(variable, value)
    _, authority = tls_pair(tmp_path)
    (tmp_path / "token").write_text("t")
    (tmp_path / "namespace").write_text("kube-system")
    authority.rename(tmp_path / "ca.crt")
    location = Location(environ={"KUBERNETES_SERVICE_HOST": "127.0.0.1"}, service_account=str(tmp_path))
    files = FilesRead()
    session = kubeconfig.open_session(location, files)
    assert session.server == "https://127.0.0.1:443" and session.namespace == "kube-system"
    assert list(files) == [str(tmp_path / "ca.crt")]
    (tmp_path / "token").unlink()
    with pytest.raises(ConfigError, match="service account"):
        kubeconfig.open_session(location, files := FilesRead())
    assert not files.changed()
    (tmp_path / "token").write_text("t")
    assert files.changed()


def test_files_of_one_variable_are_merged_the_first_wins(tmp_path: Path) -> None:
    first = write(tmp_path / "a/first", config("http://first", name="x"))
    second = config("http://second", name="x")
    second["clusters"].append({"name": "y", "cluster": {"server": "http://y"}})
    second["contexts"].append({"name": "y", "context": {"cluster": "y", "user": "x"}})
    environ = {"KUBECONFIG": f"{first}:{write(tmp_path / 'second', second)}:{tmp_path / 'absent'}"}
    assert opened(Location(environ=environ)).server == "http://first"
    assert opened(Location("", "y", environ=environ)).server == "http://y"


def test_names_of_files_are_relative_to_the_kubeconfig(tmp_path: Path) -> None:
    _, authority = tls_pair(tmp_path)
    content = config("https://127.0.0.1:1", tokenFile="token")
    content["clusters"][0]["cluster"]["certificate-authority"] = authority.name
    (tmp_path / "token").write_text("t")
    files = FilesRead()
    session = kubeconfig.open_session(at(write(tmp_path / "config", content)), files)
    assert list(files) == [str(tmp_path / "config"), str(authority)]
    assert trio.run(session.authorization) == "Bearer t"


def test_flow_style_is_yaml_too(tmp_path: Path) -> None:
    (tmp_path / "k").write_text(
        "{current-context: a, clusters: [{name: a, cluster: {server: 'http://h:1'}}], users: [{name: a, user: {}}],\n"
        " contexts: [{name: a, context: {cluster: a, user: a, namespace: 0o17}}]}\n"
    )
    with pytest.raises(ConfigError, match="namespace"):
        opened(at(tmp_path / "k"))
    (tmp_path / "k").write_text((tmp_path / "k").read_text().replace("0o17", "'0o17'"))
    assert opened(at(tmp_path / "k")).namespace == "0o17"


def test_user_may_be_left_out_and_json_is_fine(tmp_path: Path) -> None:
    content = config()
    del content["contexts"][0]["context"]["user"]
    path = tmp_path / "config"
    path.write_bytes(orjson.dumps(content))
    assert opened(at(path)).auth is None


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
        (
            lambda c: c["clusters"][0]["cluster"].update(server=7),
            r"clusters: one: cluster\.server: must be a string; put it in quotes$",
        ),
        (lambda c: c["users"][0]["user"].update(password=83), r"users: one: user\.password: must be a string; put"),
        (lambda c: c["users"][0]["user"].update(token=["t"]), r"users: one: user\.token: must be a string$"),
        (lambda c: c["contexts"][0]["context"].update(user=True), r"contexts: one: context\.user: must be a string;"),
        (lambda c: c["users"][0].update(name=1), "users: name: must be a string; put it in quotes$"),
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
        opened(at(write(tmp_path / "config", content)))


@pytest.mark.parametrize("text", [b"", b"just text", b"a: [", b"{", b"\xff\xfe\x00"])
def test_files_that_are_no_kubeconfig(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "config"
    path.write_bytes(text)
    with pytest.raises(ConfigError, match=str(path)):
        opened(at(path))
    path.unlink()
    path.mkdir()
    with pytest.raises(ConfigError, match="cannot be read"):
        opened(at(path))


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
    def broken(location: Location, files: FilesRead) -> None:
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
            opened(at(path))
    finally:
        os.seteuid(0)


def pair(folder: Path) -> Pair:
    folder.mkdir()
    return write_certificates(folder).admin


async def session_after(source: ClientSource, change: Callable[[], object]) -> Session | None:
    """The next session, None if there is none for a while."""
    before = source.client.session if source.client.configured else None
    change()
    with trio.move_on_after(2):
        while not source.client.configured or source.client.session is before:
            await trio.sleep(0.005)
        return source.client.session
    return None


def test_files_that_arrive_later_are_waited_for(tmp_path: Path) -> None:
    """The kubeconfig is there first and is not touched again: as when an installer writes the files one by one."""

    async def main() -> None:
        made = write_certificates(tmp_path)
        content = config("https://127.0.0.1:1", **{"client-certificate": "late/c.pem", "client-key": "late/k.pem"})
        content["clusters"][0]["cluster"]["certificate-authority"] = "late/ca.pem"
        source = ClientSource(at(write(tmp_path / "config", content)), log=quiet(), check_every_s=0.01)
        async with trio.open_nursery() as nursery:
            await nursery.start(source.run)
            assert "late/ca.pem: No such file" in source.problem and "late/k.pem: No such file" in source.problem
            (tmp_path / "late").mkdir()
            (tmp_path / "late/ca.pem").write_bytes(made.authority.read_bytes())
            (tmp_path / "late/k.pem").write_bytes(made.admin.key.read_bytes())
            os.mkfifo(tmp_path / "late/c.pem")
            with trio.fail_after(2):
                while "c.pem: not a regular file" not in source.problem:
                    await trio.sleep(0.005)
            os.replace(made.admin.certificate, tmp_path / "late/c.pem")
            with trio.fail_after(2):
                await source.client.wait_configured()
            assert source.problem == ""
            nursery.cancel_scope.cancel()

    run(main)


@pytest.mark.skipif(os.geteuid() != 0, reason="root reads everything, so it has to become another user")
def test_a_kubeconfig_that_may_be_read_at_last_is_used() -> None:
    """Its mode, or its group, is all that changes."""

    async def main(path: Path) -> None:
        source = ClientSource(at(path), log=quiet(), check_every_s=0.01)
        async with trio.open_nursery() as nursery:
            await nursery.start(source.run)
            assert "Permission denied" in source.problem
            os.seteuid(0)
            path.chmod(0o644)
            os.seteuid(65534)
            with trio.fail_after(2):
                await source.client.wait_configured()
            nursery.cancel_scope.cancel()

    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = write(Path(folder, "config"), config())
        path.chmod(0o600)
        try:
            os.seteuid(65534)
            run(main, path)
        finally:
            os.seteuid(0)


def test_a_certificate_is_rotated_by_a_symlink_as_kubelet_does(tmp_path: Path) -> None:
    async def main() -> None:
        one, two = (pair(tmp_path / name) for name in ("one", "two"))
        for number, made in enumerate((one, two)):
            (tmp_path / f"kubelet-{number}.pem").write_bytes(made.certificate.read_bytes() + made.key.read_bytes())
        current = tmp_path / "kubelet-client-current.pem"
        current.symlink_to("kubelet-0.pem")
        content = config("https://127.0.0.1:1", **{"client-certificate": str(current), "client-key": str(current)})
        source = ClientSource(at(write(tmp_path / "config", content)), log=quiet(), check_every_s=0.01)

        def rotate() -> None:
            (tmp_path / "next").symlink_to("kubelet-1.pem")
            os.replace(tmp_path / "next", current)

        async with trio.open_nursery() as nursery:
            await nursery.start(source.run)
            assert source.client.session.client_certificate.startswith(one.certificate.read_bytes())
            rotated = await session_after(source, rotate)
            assert rotated is not None and rotated.client_certificate.startswith(two.certificate.read_bytes())
            nursery.cancel_scope.cancel()

    run(main)


def test_a_pair_that_is_replaced_one_by_one_is_taken_when_both_are_there(tmp_path: Path) -> None:
    async def main() -> None:
        one, two = (pair(tmp_path / name) for name in ("one", "two"))
        files = {"client-certificate": one.certificate, "client-key": one.key}
        content = config("https://127.0.0.1:1", **{name: str(path) for name, path in files.items()})
        source = ClientSource(at(write(tmp_path / "config", content)), log=quiet(), check_every_s=0.01)
        async with trio.open_nursery() as nursery:
            await nursery.start(source.run)
            first = source.client.session
            os.replace(two.certificate, one.certificate)
            with trio.fail_after(2):
                while "client-certificate with client-key" not in source.problem:
                    await trio.sleep(0.005)
            assert source.client.session is first
            second = await session_after(source, lambda: os.replace(two.key, one.key))
            assert second is not None and source.problem == ""
            one.key.unlink()
            with trio.fail_after(2):
                while "No such file" not in source.problem:
                    await trio.sleep(0.005)
            assert source.client.session is second
            nursery.cancel_scope.cancel()

    run(main)
