"""edged/sandbox/server.py on real sockets: plain and TLS, watches that end, bad peers; and the command itself."""

from __future__ import annotations

import base64
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import h11
import orjson
import trio
import yaml

from edged.sandbox.server import Sandbox, is_sandbox_kubeconfig, new_api, serve
from edged.sandbox.storage import Storage
from tests.sandbox.harness import NS, config_map

CM = f"{NS}/configmaps"


Connect = Callable[[], Awaitable[trio.SocketStream]]


def scenario(body: Callable[[Sandbox, Connect], Awaitable[None]], **options) -> None:
    """Runs `body` with a server and a function that opens connections to it, which are closed afterwards."""

    async def main() -> None:
        async with AsyncExitStack() as opened, trio.open_nursery() as nursery:

            async def start(task_status: trio.TaskStatus[Sandbox] = trio.TASK_STATUS_IGNORED) -> None:
                await serve(**options, task_status=task_status)

            server: Sandbox = await nursery.start(start)

            async def connect() -> trio.SocketStream:
                port = int(server.url.rpartition(":")[2])
                return await opened.enter_async_context(await trio.open_tcp_stream("127.0.0.1", port))

            with trio.fail_after(20):
                await body(server, connect)
            nursery.cancel_scope.cancel()

    trio.run(main)


class Client:
    """One connection, several exchanges."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream, self.http = stream, h11.Connection(h11.CLIENT)

    async def send(self, method: str, path: str, body: bytes = b"") -> None:
        headers = [("Host", "x"), ("Content-Length", str(len(body)))]
        events = [h11.Request(method=method, target=path, headers=headers), h11.Data(data=body), h11.EndOfMessage()]
        await self.stream.send_all(b"".join(self.http.send(e) or b"" for e in events))

    async def next(self):
        while (event := self.http.next_event()) is h11.NEED_DATA:
            self.http.receive_data(bytes(await self.stream.receive_some(65536)))
        return event

    async def exchange(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        await self.send(method, path, body)
        head, content = await self.next(), b""
        while not isinstance(event := await self.next(), h11.EndOfMessage):
            content += event.data
        self.http.start_next_cycle()
        return head.status_code, content


def test_the_status_line_has_a_reason_phrase():
    async def body(server: Sandbox, connect: Connect) -> None:
        client = Client(await connect())
        await client.send("GET", f"{CM}/nope")
        head = await client.next()
        assert (head.status_code, head.reason) == (404, b"Not Found")

    scenario(body)


def test_a_percent_sign_that_escapes_nothing_is_refused():
    async def body(server: Sandbox, connect: Connect) -> None:
        for path, status in ((f"{CM}/%zz", 400), (f"{CM}/%", 400), (f"{CM}/%00", 404), (f"{CM}/%c3%28", 404)):
            client = Client(await connect())
            await client.send("GET", path)
            assert (await client.next()).status_code == status, path

    scenario(body)


def test_one_connection_many_requests_and_a_watch_that_ends():
    async def body(server: Sandbox, connect: Connect) -> None:
        client = Client(await connect())
        status, made = await client.exchange("POST", CM, orjson.dumps(config_map("a")))
        assert status == 201 and orjson.loads(made)["metadata"]["name"] == "a"
        status, lines = await client.exchange("GET", f"{CM}?watch=true&timeoutSeconds=1")
        assert status == 200 and orjson.loads(lines)["type"] == "ADDED"
        assert (await client.exchange("GET", "/readyz"))[1] == b"ok"

    scenario(body)


def test_events_arrive_at_once_and_a_hang_up_ends_the_watch():
    async def body(server: Sandbox, connect: Connect) -> None:
        watching, writing = Client(await connect()), Client(await connect())
        await watching.send("GET", f"{CM}?watch=true")
        assert (await watching.next()).status_code == 200
        await writing.exchange("POST", CM, orjson.dumps(config_map("a")))
        assert orjson.loads((await watching.next()).data)["type"] == "ADDED"
        await watching.stream.aclose()
        while server.storage._subscriptions:
            await trio.lowlevel.checkpoint()
        assert (await writing.exchange("GET", "/livez"))[0] == 200

    scenario(body)


def test_bad_peers_cost_their_connection_only():
    async def body(server: Sandbox, connect: Connect) -> None:
        stream = await connect()
        await stream.send_all(b"NONSENSE\r\n\r\n")
        answer = await stream.receive_some(4096)
        assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n") and answer.endswith(b"\r\n\r\n400 Bad Request")
        client = Client(await connect())
        status, answer = await client.exchange("POST", CM, b"x" * (4 * 1024 * 1024))
        assert status == 413 and orjson.loads(answer)["reason"] == "RequestEntityTooLarge"

    scenario(body)


def test_tls_with_the_authority_that_the_kubeconfig_names(tmp_path: Path):
    async def body(server: Sandbox, connect: Connect) -> None:
        server.write_kubeconfig(tmp_path / "kubeconfig")
        cluster = yaml.safe_load((tmp_path / "kubeconfig").read_text())["clusters"][0]["cluster"]
        assert cluster["server"] == server.url and server.url.startswith("https://127.0.0.1:")
        context = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
        stream = trio.SSLStream(await connect(), context, server_hostname="127.0.0.1", https_compatible=True)
        assert (await Client(stream).exchange("GET", "/readyz"))[1] == b"ok"
        plain = await connect()
        await plain.send_all(b"GET / HTTP/1.1\r\n\r\n")
        stream = trio.SSLStream(await connect(), context, server_hostname="127.0.0.1", https_compatible=True)
        assert (await Client(stream).exchange("GET", "/livez"))[0] == 200

    scenario(body, tls=True)


def test_the_command_says_when_it_is_ready_and_ends_cleanly(tmp_path: Path):
    kubeconfig = tmp_path / "kubeconfig"
    command = [sys.executable, "-m", "edged", "sandbox", "--write-kubeconfig", str(kubeconfig)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        line = process.stderr.readline().split()
        assert line[:2] == ["sandbox", "ready"]
        assert yaml.safe_load(kubeconfig.read_text())["clusters"][0]["cluster"]["server"] == line[2]
        assert kubeconfig.stat().st_mode & 0o777 == 0o600
        process.send_signal(signal.SIGTERM)
        assert (process.wait(20), process.stderr.read()) == (0, "")


def test_the_command_writes_over_no_kubeconfig_but_that_of_a_sandbox(tmp_path: Path):
    precious = tmp_path / "k3s.yaml"
    precious.write_text("apiVersion: v1\nkind: Config\ncurrent-context: sandbox\nusers: []\n")
    before = precious.read_bytes()
    for option in ("--write-kubeconfig", "--kubeconfig"):
        command = [sys.executable, "-m", "edged", "sandbox", option, str(precious)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 2 and "exists and is not a kubeconfig of a sandbox; --force" in done.stderr
        assert ("is now --write-kubeconfig" in done.stderr) is (option == "--kubeconfig")
    assert precious.read_bytes() == before
    ours = Sandbox("http://a", Storage(), new_api(), None).kubeconfig_file()
    assert is_sandbox_kubeconfig(ours)
    for other in (before, b"", b"- [", b"[" * 9999):
        assert not is_sandbox_kubeconfig(other)


def test_a_port_out_of_range_is_a_usage_error():
    done = subprocess.run(
        [sys.executable, "-m", "edged", "sandbox", "--port", "99999"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "must be a whole number from 0 to 65535, not '99999'" in done.stderr


def test_a_port_in_use_is_named_with_who_listens_there():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "edged", "sandbox", "--port", str(port)]
        done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    said = f"edged: sandbox: cannot listen on 127.0.0.1:{port}: Address already in use by pid {os.getpid()} ("
    assert done.stderr.startswith(said)


def test_the_command_names_what_it_cannot_use(tmp_path: Path):
    missing = str(tmp_path / "nope.pem")
    for extra, said in (
        (["--host", "192.0.2.1", "--port", "1"], "cannot listen on 192.0.2.1:1: Cannot assign requested address; "
         "this machine does not have that address (`ip address` shows those it has)"),
        (["--webhook-client-cert", missing, "--webhook-client-key", missing], f"{missing}: No such file or directory"),
    ):
        done = subprocess.run([sys.executable, "-m", "edged", "sandbox", *extra], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (2, f"edged: sandbox: {said}\n")
