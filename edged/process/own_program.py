"""How a person calls this very program: `edged` where the shell finds one, else its full path.

Before `edged init` makes the link, a program in a virtual environment is in no folder of PATH.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

_CALLED = re.compile(
    r"(?<![\w./-])edged (?=(?:init|check|doctor|rbac|status|reviews|run|uninstall|webhook)\b)"
)
"""edged as the program of a command line, not `systemctl start edged`."""


def places() -> list[Path]:
    """Where the script of this installation may be, the first one that is there counts."""
    import sysconfig

    return [Path(sysconfig.get_path("scripts")) / "edged", Path(sys.argv[0]).absolute()]


def script() -> Path | None:
    """The script of this installation, also where it was called by a link from elsewhere; None in a bare checkout."""
    for path in places():
        if path.name == "edged" and path.is_file() and os.access(path, os.X_OK):
            return path.resolve() if path.is_symlink() else path
    return None


def spelled(text: str) -> str:
    """`text` with each `edged COMMAND` in it as it can be typed here."""
    import shlex
    import shutil

    if shutil.which("edged"):
        return text
    own = script()
    called = shlex.quote(str(own)) if own else f"{shlex.quote(sys.executable)} -m edged"
    return _CALLED.sub(lambda _: f"{called} ", text)
