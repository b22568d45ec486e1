"""Nodes for tests of the fabric: network namespaces with a cable between them, each with a helper, and guests.

Everything is made here and taken away again: namespaces of names of this process. Nothing of the machine's own network
is touched; the helpers run inside the namespaces. It needs root rights, iproute2 and a kernel with vxlan, veth, bridge.
"""

from __future__ import annotations

import functools
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from edged.fabric.interfaces import LocalInterface, RemoteInterface
from edged.json_text import dumps, loads

ROOT = Path(__file__).parent.parent.parent
PINGING = Path(__file__).with_name("pinging.py")
PATIENCE_S = 60.0


@functools.cache
def lacking() -> str:
    """Why there can be no nodes here; "" where there can."""
    if os.geteuid() != 0:
        return "virtual networks need root rights"
    if shutil.which("ip") is None or shutil.which("bridge") is None:
        return "virtual networks need iproute2 (`ip`, `bridge`)"
    name = f"kosprobe{os.getpid()}"
    try:
        _ip("netns", "add", name)
        try:
            for kind in (("bridge",), ("veth",), ("vxlan", "id", "1", "dstport", "4789")):
                _ip("-n", name, "link", "add", f"kostry{kind[0]}", "type", *kind)
        finally:
            _ip("netns", "del", name)
    except subprocess.CalledProcessError as error:
        return f"virtual networks cannot be made here: {error.stderr.strip()}"
    return ""


def _ip(*words: str) -> str:
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout


class Node:
    """A namespace with the address `host_ip` on its cable. `folder`: for socket and configuration of its helper."""

    def __init__(self, name: str, host_ip: str, folder: Path, settings: str = "") -> None:
        self.name = name
        self.host_ip = host_ip
        self.socket = folder / f"{name}.sock"
        self._config = folder / f"{name}.toml"
        self._config.write_text(f'[fabric]\nsocket = "{self.socket}"\nhost_ip = "{host_ip}"\n{settings}')
        self.helper: subprocess.Popen[str] | None = None
        self._connection: socket.socket | None = None

    def start(self, *words: str) -> None:
        """Starts the helper; returns when it listens."""
        self.helper = subprocess.Popen(
            ["ip", "netns", "exec", self.name, sys.executable, "-m", "edged", "fabric", "--config", str(self._config),
             "--user", "0", *words],
            stderr=subprocess.PIPE, text=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert self.helper.stderr is not None
        said = ""
        while "listening" not in said:
            line = self.helper.stderr.readline()
            assert line, f"the helper ended: {said}"
            said += line

    def kill(self) -> None:
        """kill -9, in the middle of whatever it does."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self.helper is not None:
            self.helper.send_signal(how)
            self.helper.wait(PATIENCE_S)
            assert self.helper.stderr is not None
            self.helper.stderr.close()
            self.helper = None

    def send(self, op: str, args: object = None) -> None:
        """Without waiting for the answer."""
        if self._connection is None:
            self._connection = socket.socket(socket.AF_UNIX)
            self._connection.settimeout(PATIENCE_S)
            self._connection.connect(str(self.socket))
        self._connection.sendall(dumps({"op": op, "args": {} if args is None else args}) + b"\n")

    def ask(self, op: str, interface: LocalInterface | RemoteInterface | None = None) -> Any:
        """The helper's answer: `result`; an assertion fails where it is an error."""
        self.send(op, None if interface is None else interface.to_json())
        assert self._connection is not None
        received = b""
        while not received.endswith(b"\n"):
            chunk = self._connection.recv(1 << 16)
            assert chunk, received
            received += chunk
        answer = loads(received)
        assert "result" in answer, answer
        return answer["result"]

    def links(self) -> dict[str, Any]:
        """Devices by name, as `ip` shows them."""
        return {each["ifname"]: each for each in loads(_ip("-n", self.name, "-d", "-j", "link", "show") or "[]")}

    def ip(self, *words: str) -> str:
        return _ip("-n", self.name, *words)

    def bridge(self, *words: str) -> str:
        return subprocess.run(["bridge", "-n", self.name, *words], check=True, capture_output=True, text=True).stdout


class Guest:
    """A namespace that took a local interface of a node, as a user of it does."""

    def __init__(self, name: str, node: Node, interface: LocalInterface) -> None:
        self.name = name
        self.interface = interface
        node.ip("link", "set", interface.name, "netns", name)
        _ip("-n", name, "address", "add", f"{interface.ip}/8", "dev", interface.name)
        _ip("-n", name, "link", "set", interface.name, "up")

    def reaches(self, ip: str, tries: int = 3) -> bool:
        """Whether all of so many pings are answered."""
        found = subprocess.run(self._ping(ip, str(tries)), check=True, capture_output=True, text=True).stdout.split()
        assert len(found) == tries and set(found) <= {"ok", "lost"}
        return "lost" not in found

    @contextmanager
    def pinging(self, ip: str) -> Iterator[Pings]:
        """All the time."""
        with subprocess.Popen(self._ping(ip), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            pings = Pings(process)
            try:
                pings.more()
                yield pings
            finally:
                pings.end()

    def _ping(self, *words: str) -> list[str]:
        return ["ip", "netns", "exec", self.name, sys.executable, str(PINGING), *words]


class Pings:
    """Pings that go on. `lost` and `answered` count them, up to the last `more` or `end`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.answered = 0
        self.lost = 0

    def more(self, count: int = 10) -> None:
        """Waits for so many."""
        assert self._process.stdout is not None
        for _ in range(count):
            self._count(self._process.stdout.readline())

    def end(self) -> None:
        if self._process.stdin is None or self._process.stdin.closed:
            return
        self._process.stdin.close()
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._count(line)

    def _count(self, line: str) -> None:
        self.answered += line == "ok\n"
        self.lost += line != "ok\n"


class Site:
    """Namespaces of one test."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder = folder
        self._stack = stack
        self._made = 0

    def namespace(self, role: str) -> str:
        self._made += 1
        name = f"kos{role}{os.getpid()}x{self._made}"
        _ip("netns", "add", name)
        self._stack.callback(_ip, "netns", "del", name)
        _ip("-n", name, "link", "set", "lo", "up")
        return name

    def two_nodes(self) -> tuple[Node, Node]:
        """192.0.2.1 and 192.0.2.2, joined by a cable, their helpers running."""
        nodes = [Node(self.namespace("n"), f"192.0.2.{number}", self._folder) for number in (1, 2)]
        first, second = nodes
        _ip("link", "add", "cable", "netns", first.name, "type", "veth", "peer", "name", "cable", "netns", second.name)
        for node in nodes:
            node.ip("address", "add", f"{node.host_ip}/24", "dev", "cable")
            node.ip("link", "set", "cable", "up")
            self._stack.callback(node.kill)
            node.start()
        return first, second

    def node(self, settings: str = "") -> Node:
        """One without helper, its address on a cable to itself."""
        node = Node(self.namespace("n"), "192.0.2.1", self._folder, settings)
        node.ip("link", "add", "cable", "type", "veth", "peer", "name", "elbac")
        node.ip("address", "add", "192.0.2.1/24", "dev", "cable")
        for name in ("cable", "elbac"):
            node.ip("link", "set", name, "up")
        self._stack.callback(node.kill)
        return node

    def guest(self, node: Node, interface: LocalInterface) -> Guest:
        return Guest(self.namespace("g"), node, interface)


@contextmanager
def site(folder: Path) -> Iterator[Site]:
    """All namespaces go at the end, and with them what is in them."""
    with ExitStack() as stack:
        yield Site(folder, stack)
