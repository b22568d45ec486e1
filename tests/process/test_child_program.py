"""Inside a child: no sockets, and the first to go when the node runs out of memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from edged.process import child_program


def test_a_confined_child_has_no_sockets():
    code = (
        "import socket\n"
        "from edged.process.child_program import forbid_sockets\n"
        "forbid_sockets()\n"
        "for family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX):\n"
        "    try:\n"
        "        socket.socket(family)\n"
        "    except PermissionError:\n"
        "        continue\n"
        "    raise SystemExit('a socket was made')\n"
        "open('/proc/self/status').close()\n"
    )
    root = str(Path(child_program.__file__).parents[2])
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_child_is_first_in_line_for_the_out_of_memory_killer():
    code = (
        "from edged.process.child_program import limit_process; limit_process(512, 10)\n"
        "print(open('/proc/self/oom_score_adj').read().strip())"
    )
    root = str(Path(child_program.__file__).parents[2])
    assert subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True).stdout == "1000\n"
