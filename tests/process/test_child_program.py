"""Inside a child: what the kernel refuses it, and the first to go when the node runs out of memory."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edged.process import child_program

ROOT = Path(child_program.__file__).parents[2]
CONFINED = "import sys; sys.path.insert(0, sys.argv[1]); from edged.process.child_program import confine\n"


def run(code: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """The code in a child that was confined after its first line, which imports."""
    first, _, rest = code.partition("\n")
    whole = f"{CONFINED}{first}\nconfine(1024, 60)\n{rest}"
    return subprocess.run([sys.executable, "-I", "-c", whole, str(ROOT)], input=stdin, capture_output=True, timeout=60)


@pytest.mark.parametrize(
    "attempt",
    [
        "import socket\nsocket.socket(socket.AF_INET)",
        "import socket\nsocket.socket(socket.AF_INET6, socket.SOCK_DGRAM)",
        "import socket\nsocket.socketpair()",
        "import ctypes\nctypes.CDLL(None).syscall(425, 8, 0)",
        "import ctypes\nctypes.CDLL(None).syscall(426, 0, 0, 0, 0, 0)",
    ],
    ids=["IPv4", "IPv6", "pair", "io_uring_setup", "io_uring_enter"],
)
def test_sockets_and_io_uring_end_it(attempt: str) -> None:
    done = run(f"{attempt}\nprint('went on')")
    assert (done.returncode, done.stdout) == (-signal.SIGSYS, b"")


def test_it_reads_files_and_changes_none(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("kept")
    code = f"""import os, signal, subprocess
path = {str(file)!r}
assert open(path).read() == "kept" and os.listdir({str(tmp_path)!r}) == ["file"]
attempts = [
    lambda: open(path, "w"), lambda: open(path, "r+"), lambda: open(path, "a"), lambda: open(path + "2", "x"),
    lambda: os.open({str(tmp_path)!r}, os.O_TMPFILE | os.O_RDWR), lambda: os.truncate(path, 0),
    lambda: os.unlink(path), lambda: os.rename(path, path + "2"), lambda: os.link(path, path + "2"),
    lambda: os.symlink(path, path + "2"), lambda: os.chmod(path, 0o777), lambda: os.chown(path, 0, 0),
    lambda: os.utime(path), lambda: os.mkdir(path + "2"), lambda: os.kill(os.getppid(), signal.SIGTERM),
    lambda: os.fork(), lambda: os.execv("/bin/true", ["true"]), lambda: subprocess.run(["/bin/true"]),
]
for number, attempt in enumerate(attempts):
    try:
        attempt()
    except OSError:
        continue
    raise SystemExit(f"attempt {{number}} was let through")
"""
    done = run(code)
    assert (done.returncode, done.stderr) == (0, b"")
    assert file.read_text() == "kept" and [path.name for path in tmp_path.iterdir()] == ["file"]


def test_it_may_abort_and_run_out_of_memory_as_any_program() -> None:
    assert run("import os\nos.abort()").returncode == -signal.SIGABRT
    done = run("import os\nx = bytearray(4 << 30)")
    assert done.returncode == 1 and b"MemoryError" in done.stderr


def test_errors_have_their_traceback() -> None:
    """What Python imports late, it finds: source lines are read from files."""
    done = run("import json\njson.loads('[' * 3)")
    assert done.returncode == 1 and b"JSONDecodeError: Expecting value" in done.stderr and b"File" in done.stderr


def test_the_child_is_first_in_line_for_the_out_of_memory_killer() -> None:
    done = run("import os\nprint(open('/proc/self/oom_score_adj').read().strip())")
    assert done.stdout == b"1000\n"
