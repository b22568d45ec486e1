"""`python -m edged` and the `edged` script: hands over to edged/cli where the Python is one that edged runs on."""

from __future__ import annotations

import gc
import sys


def main() -> int:
    why = refusal(tuple(sys.version_info[:3]))
    if why:
        print(f"edged: {why}", file=sys.stderr)
        return 2
    _open_missing_streams()
    try:
        # The imports are after the check, since older versions cannot even compile these files.
        return _version() if sys.argv[1:] in (["version"], ["--version"]) else _command(sys.argv[1:])
    except KeyboardInterrupt:  # while it imports
        print("edged: interrupted", file=sys.stderr)
        return 130


def _open_missing_streams() -> None:
    """Python has None for a stream that the caller closed. And the next file that is opened would get its number, and
    with it whatever is written there."""
    if None not in (sys.stdin, sys.stdout, sys.stderr):
        return
    import os

    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))


def _version() -> int:
    """Without the parser, which takes longer than this command."""
    from edged.cli.version import show

    try:
        code = show("table")
        sys.stdout.flush()
        return code
    except OSError as error:
        from edged.cli.main import failed

        return failed(error)


def _command(words: list[str]) -> int:
    if words[:1] == ["run"]:
        _hold_hangups()
    else:
        # Importing makes many objects and hardly any garbage: collecting takes a tenth of a short command's time.
        gc.set_threshold(50_000)
    from edged.cli import main as frame

    return frame.main(words)


def _hold_hangups() -> None:
    """SIGHUP asks a daemon to read its configuration again, and would end a process that does not handle it yet. Until
    then it stays pending, and is not lost."""
    import signal

    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # for the time after the daemon handled it
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})


def refusal(version: tuple[int, ...]) -> str | None:
    """Why edged does not run on this version of Python; None where it does. pip refuses the same ones (pyproject.toml),
    but files can get past pip."""
    name = ".".join(map(str, version))
    if version == (3, 14, 0):
        return f"Python {name} takes the stack of a WebAssembly guest for an overflow and aborts: use 3.14.1 or later"
    if not (3, 11) <= version[:2] <= (3, 14):
        return f"Python {name} is not supported: edged was tested on Python 3.11, 3.12, 3.13 and 3.14 (from 3.14.1 on)"
    return None


if __name__ == "__main__":
    sys.exit(main())
