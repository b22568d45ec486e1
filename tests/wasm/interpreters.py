"""The torture test on every supported Python of this machine: `python -m tests.wasm.interpreters [--seconds 60]`.

Interpreters are looked for in PATH and /usr/bin, among pyenv's, and in roots of Debian releases that debootstrap makes
(`--root trixie`; needs root rights). Each runs tests/wasm/torture.py from this checkout, and TESTS, in a virtual
environment with edged's dependencies. Roots and environments stay in ~/.cache/edged/interpreters; an environment is
made anew when pyproject.toml changes.

Prints a table, or JSON with --json. Exit code 1 when one failed or a root that was asked for could not be had. Without
--root: Debian 13, and Debian sid for the newest Python, where debootstrap is there and may be used. In CI the first is
required then; the second may be missing, since sid sometimes cannot be installed.
"""

from __future__ import annotations

import argparse
import glob
import hashlib
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from edged.__main__ import refusal
from tests.debian import Missing, can_make_roots, last_lines, locked, made_root, say

ROOT = Path(__file__).parents[2]
CACHE = Path.home() / ".cache" / "edged" / "interpreters"
REQUIRED, OPTIONAL = ["trixie"], ["sid"]
TESTS = (
    "tests/wasm/test_stack_check.py", "tests/process/test_child_program.py", "tests/process/test_system_calls.py",
    "tests/wasm/test_compile.py", "tests/admission/host/test_x509_trust.py",
    "tests/admission/host/test_certificate_trust.py",
    "tests/admission/audit/test_auditor.py",
)  # fmt: skip
"""What depends on how a Python is built: its stack, and the system calls that it and its libraries make in a child."""
PACKAGES = ("python3", "python3-venv", "ca-certificates")
ASK = (
    "import json, sys, ensurepip, venv; "
    "print(json.dumps([list(sys.version_info[:3]), getattr(sys, '_base_executable', sys.executable)]))"
)
ENTER = """set -e
mount --bind "$2" "$1/checkout"
mount -t proc proc "$1/proc"
mount --rbind /dev "$1/dev"
root=$1; shift 2
exec chroot "$root" env -C /checkout "$@"
"""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python, and the root directory that it lives in where that is not this machine's."""

    name: str
    version: str
    executable: str
    root: Path | None = None

    def run(self, *arguments: str, timeout: float) -> subprocess.CompletedProcess[str]:
        return run(*entered(self.root, arguments), timeout=timeout)


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the table. `wrong` is what the torture test found, or how it or pytest ended."""

    interpreter: str
    version: str
    calls: int
    rss_mib: float
    wrong: list[str]


def run(*command: str, timeout: float) -> subprocess.CompletedProcess[str]:
    ours = ("PYTHON", "VIRTUAL_ENV", "PYENV")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    environment = {**kept, "PYTHONDONTWRITEBYTECODE": "1", "LC_ALL": "C.UTF-8"}
    try:
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 124, "", f"did not end within {timeout:.0f} s")


def entered(root: Path | None, command: tuple[str, ...]) -> tuple[str, ...]:
    """The command in that root, with this checkout at /checkout; its mounts are gone when it ends."""
    if root is None:
        return command
    return ("unshare", "--mount", "--propagation", "private", "sh", "-c", ENTER, "sh", str(root), str(ROOT), *command)


# --- finding


def installed() -> Iterator[Interpreter]:
    """Every supported interpreter of this machine that can make virtual environments, each once."""
    folders = [*os.environ.get("PATH", "").split(os.pathsep), "/usr/bin", "/usr/local/bin"]
    folders += sorted(glob.glob(str(Path.home() / ".pyenv" / "versions" / "*" / "bin")))
    seen = set()
    for folder in folders:
        for path in sorted(Path(folder).glob("python3*")):
            if not re.fullmatch(r"python3(\.\d+)?", path.name) or path.parent.name == "shims":
                continue
            told = asked(str(path), None)
            if told is None or os.path.realpath(told.executable) in seen:
                continue
            seen.add(os.path.realpath(told.executable))
            if refusal(tuple(map(int, told.version.split(".")))) is None:
                yield told


def asked(executable: str, root: Path | None) -> Interpreter | None:
    """What it says of itself; nothing where it does not run or has no venv."""
    done = run(*entered(root, (executable, "-c", ASK)), timeout=60)
    if done.returncode:
        return None
    version, base = json.loads(done.stdout)
    name = f"{root.parent.name}: {base}" if root else base
    return Interpreter(name, ".".join(map(str, version)), base, root)


def from_debian(release: str) -> Interpreter:
    """The Python of that release, from a root that is made once. Raises Missing."""
    root = made_root(release, CACHE / f"debian-{release}", PACKAGES)
    (root / "checkout").mkdir(exist_ok=True)
    found = asked("/usr/bin/python3", root)
    if found is None:
        raise Missing("its Python does not run here")
    why = refusal(tuple(map(int, found.version.split("."))))
    if why:
        raise Missing(why)
    return found


# --- running


def environment(interpreter: Interpreter) -> str:
    """The Python of a virtual environment with edged's dependencies and what the tests need. edged itself is the one of
    this checkout. Raises Missing."""
    requirements = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    tools = [text for text in requirements["optional-dependencies"]["dev"] if not text.startswith(("mypy", "ruff"))]
    packages = [*requirements["dependencies"], *tools]
    digest = hashlib.sha256(json.dumps([interpreter.version, packages]).encode())
    label = hashlib.sha256(interpreter.executable.encode()).hexdigest()[:8]
    folder = interpreter.root / "venv" if interpreter.root else CACHE / f"{interpreter.version}-{label}"
    inside = "/venv" if interpreter.root else str(folder)
    stamp = folder / "made"
    with locked(folder):
        if not stamp.exists() or stamp.read_text() != digest.hexdigest():
            say(f"making an environment for {interpreter.name}")
            install = ("-m", "pip", "install", "-q", "--disable-pip-version-check")
            for command in (
                (interpreter.executable, "-m", "venv", "--clear", inside),
                (f"{inside}/bin/python", *install, *packages),
            ):
                done = interpreter.run(*command, timeout=900)
                if done.returncode:
                    raise Missing(f"its environment: {last_lines(done)}")
            stamp.write_text(digest.hexdigest())
    return f"{inside}/bin/python"


def torture(interpreter: Interpreter, seconds: float, seed: int) -> Result:
    python = environment(interpreter)
    options = ("--seconds", str(seconds), "--seed", str(seed))
    done = interpreter.run(python, "-m", "tests.wasm.torture", *options, timeout=seconds * 3 + 300)
    try:
        told = json.loads(done.stdout)
    except ValueError:
        told = {"calls": {}, "rss_mib": [0.0], "wrong": [f"torture: {last_lines(done)}"]}
    wrong = list(told["wrong"])
    if done.returncode and not wrong:
        wrong.append(f"torture: {last_lines(done)}")
    tests = interpreter.run(
        python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS, timeout=900
    )
    if tests.returncode:
        wrong.append(f"tests: {last_lines(tests, 12)}")
    return Result(
        interpreter.name, interpreter.version, sum(told["calls"].values()), max(told["rss_mib"], default=0.0), wrong
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.wasm.interpreters")
    parser.add_argument("--seconds", type=float, default=60, help="for each interpreter (default: 60)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--root", action="append", metavar="RELEASE", help="a Debian release whose Python is required")
    parser.add_argument("--at-once", type=int, default=2, help="how many run at the same time (default: 2)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    required: list[str] = options.root or []
    optional: list[str] = []
    if options.root is None and can_make_roots():
        (required if os.environ.get("CI") else optional).extend(REQUIRED)
        optional.extend(OPTIONAL)
    missing: dict[str, str] = {}

    def one(which: Interpreter | str) -> Result | None:
        try:
            interpreter = from_debian(which) if isinstance(which, str) else which
            return torture(interpreter, options.seconds, options.seed)
        except Missing as why:
            missing[which if isinstance(which, str) else which.name] = str(why)
            return None

    with ThreadPoolExecutor(options.at_once) as pool:
        results = [result for result in pool.map(one, [*installed(), *required, *optional]) if result]
    show(results, missing, options.json)
    lost = [name for name in missing if name not in optional]
    return 1 if lost or not results or any(result.wrong for result in results) else 0


def show(results: list[Result], missing: dict[str, str], as_json: bool) -> None:
    if as_json:
        print(json.dumps({"results": [asdict(result) for result in results], "missing": missing}, indent=2))
        return
    width = max([len(result.interpreter) for result in results] + [11])
    print(f"{'interpreter':{width}}  version    calls  RSS MiB  result")
    for result in results:
        print(
            f"{result.interpreter:{width}}  {result.version:8}{result.calls:8}{result.rss_mib:9.1f}  "
            f"{'ok' if not result.wrong else f'{len(result.wrong)} wrong'}"
        )
        for what in result.wrong:
            print(f"    {what}")
    for name, why in missing.items():
        print(f"not there: {name}: {why}")


if __name__ == "__main__":
    sys.exit(main())
