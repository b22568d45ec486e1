"""Who listens on a port: sockets of this process, of a child that looks like the daemon, and made-up /proc text."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
from pathlib import Path

from edged.process import ports

LISTENS = """
import socket
listening = socket.create_server(("127.0.0.1", 0))
print(listening.getsockname()[1], flush=True)
input()
"""


def test_a_socket_of_this_process_is_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        found = ports.holder(taken.getsockname()[1])
    assert found is not None
    assert (found.pid, found.uid) == (os.getpid(), os.geteuid())
    assert not found.is_edged


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert ports.holder(port) is None


def test_the_daemon_is_told_from_other_programs(tmp_path: Path) -> None:
    program = tmp_path / "edged"
    program.write_text(LISTENS)
    with subprocess.Popen(
        [sys.executable, str(program), "run", "--config", "x"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as daemon:
        assert daemon.stdout and daemon.stdin
        port = int(daemon.stdout.readline())
        found = ports.holder(port)
        said = ports.refusal(OSError(errno.EADDRINUSE, "in use"), port)
        daemon.stdin.close()
    assert found is not None and found.is_edged
    assert said == f"Address already in use by pid {daemon.pid} (edged run): edged runs already"


def test_a_process_that_may_not_be_looked_at_is_named_by_its_user(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "tcp").write_text(
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
        "   0: 0100007F:20FB 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0\n"
        "   1: 0100007F:20FB 0100007F:9C40 01 00000000:00000000 00:00000000 00000000    33        0 4712 1 0 100 0\n"
    )
    found = ports.holder(8443, tmp_path)
    assert found == ports.Holder(0, "", 0)
    assert str(found) == "a process of user root"
    assert ports.holder(8444, tmp_path) is None


def test_each_refusal_has_a_next_step() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert "choose another port" in ports.refusal(OSError(errno.EADDRINUSE, "in use"), port)
    assert "from 1024 on" in ports.refusal(OSError(errno.EACCES, "Permission denied"), 80)
    assert "`ip address`" in ports.refusal(OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address"), 80)
    assert ports.refusal(OSError("plain"), 80) == "plain"
