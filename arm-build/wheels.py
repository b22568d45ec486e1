"""The Python side of the image: locked wheels for aarch64, and edged's own files. Used by build.py.

Wheels are unpacked as they are (a wheel is an archive of what belongs into site-packages); nothing is built,
so no foreign binary has to run. Python files get their compiled form beside them: the image is read-only at
run time, and a small ARM board takes seconds to compile what it imports.
"""

from __future__ import annotations

import importlib.util
import json
import marshal
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from layers import Entry, Root

SITE = "usr/local/lib/python3.11/dist-packages"
"""Where Debian's Python 3.11 looks for what did not come from Debian."""

LOCK = Path(__file__).parent / "requirements.lock"
_PLATFORMS = ("manylinux2014_aarch64", "manylinux_2_17_aarch64", "manylinux_2_28_aarch64")
_SELECT = [
    "--only-binary=:all:", "--python-version=3.11", "--implementation=cp",
    *(f"--platform={platform}" for platform in _PLATFORMS),
]  # fmt: skip
_LEFT_OUT = re.compile(r"/(tests|_tests|include)/|\.(pyx|pxd|pyi|c|h)$")
_HEADER = """\
# What goes into the image, for aarch64 and CPython 3.11. Written by `python arm-build/build.py --lock`.
"""


def dependencies(checkout: Path) -> list[str]:
    """What pyproject.toml says edged needs."""
    import tomllib

    return list(tomllib.loads((checkout / "pyproject.toml").read_text())["project"]["dependencies"])


def lock(checkout: Path) -> None:
    """Resolve the dependencies for the target and write every wheel with its hash."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        _pip("install", "--dry-run", "--ignore-installed", f"--report={report}", f"--target={folder}/target",
             *_SELECT, *dependencies(checkout))  # fmt: skip
        found = json.loads(report.read_text())["install"]
    lines = []
    for item in sorted(found, key=lambda item: item["metadata"]["name"].lower()):
        digest = item["download_info"]["archive_info"]["hashes"]["sha256"]
        lines.append(
            f"{item['metadata']['name'].lower()}=={item['metadata']['version']} --hash=sha256:{digest}\n"
        )
    LOCK.write_text(_HEADER + "".join(lines))


def fetch(work: Path) -> list[Path]:
    """The locked wheels, in `work`; pip checks their hashes."""
    folder = work / "wheels"
    folder.mkdir(exist_ok=True)
    _pip("download", "--no-deps", "--require-hashes", f"--requirement={LOCK}", f"--dest={folder}", *_SELECT)
    wanted = {_normal(line.split("==")[0]): line.split("==")[1].split()[0] for line in _locked()}
    found = [
        path for path in sorted(folder.glob("*.whl")) if wanted.get(_name(path)) == path.name.split("-")[1]
    ]
    if len(found) != len(wanted):
        raise SystemExit(f"{len(wanted)} wheels are locked, {len(found)} were fetched")
    return found


def _name(wheel: Path) -> str:
    return _normal(wheel.name.split("-")[0])


def _locked() -> list[str]:
    return [line for line in LOCK.read_text().splitlines() if line and not line.startswith("#")]


def _normal(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


def _pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"pip {arguments[0]} failed:\n{done.stdout}{done.stderr}")


def read(wheels: list[Path]) -> Root:
    """All files of the wheels, as site-packages has them."""
    root: Root = {}
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            for info in archive.infolist():
                path = _installed(info.filename)
                if path is None or info.is_dir() or _LEFT_OUT.search(f"/{path}"):
                    continue
                executable = path.endswith(".so")
                root[f"{SITE}/{path}"] = Entry(mode=0o755 if executable else 0o644, data=archive.read(info))
    return root


def _installed(name: str) -> str | None:
    """Where a wheel's member goes below site-packages; None for scripts and the like."""
    top, _, rest = name.partition("/")
    if not top.endswith(".data"):
        return name
    kind, _, path = rest.partition("/")
    return path if kind in ("purelib", "platlib") else None


def own_files(checkout: Path) -> Root:
    """edged itself, its program, its sample modules, configuration and licences."""
    root: Root = {}
    for path in _sources(checkout / "edged"):
        root[f"{SITE}/{path.relative_to(checkout)}"] = Entry(mode=0o644, data=path.read_bytes())
    for path in sorted((checkout / "modules").glob("*/*/*.wasm")):
        root[f"usr/lib/edged/modules/{path.name}"] = Entry(mode=0o644, data=path.read_bytes())
    for name in ("edged.toml", "edged.minimal.toml"):
        root[f"usr/share/edged/{name}"] = Entry(mode=0o644, data=(checkout / "config" / name).read_bytes())
    for path in sorted(each for each in (checkout / "sdk").rglob("*") if each.is_file()):
        root[f"usr/share/edged/{path.relative_to(checkout)}"] = Entry(mode=0o644, data=path.read_bytes())
    for name in ("LICENSE", "THIRD-PARTY.md"):
        root[f"usr/share/doc/edged/{name}"] = Entry(mode=0o644, data=(checkout / name).read_bytes())
    root["usr/bin/edged"] = Entry(data=_PROGRAM.encode())
    return root


def _sources(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and "__pycache__" not in path.parts)


_PROGRAM = """\
#!/usr/bin/python3.11 -I
import sys

from edged.__main__ import main

sys.exit(main())
"""


def add_compiled(root: Root) -> None:
    """Beside every .py its .pyc, which is used without looking at times: files of an image do not change."""
    if sys.version_info[:2] != (3, 11):
        raise SystemExit(
            "run this with Python 3.11: the compiled files have to be those of the image's Python"
        )
    for path, entry in list(root.items()):
        if not path.endswith(".py") or entry.data is None:
            continue
        try:
            code = compile(entry.data, f"/{path}", "exec", dont_inherit=True, optimize=0)
        except (SyntaxError, ValueError):
            continue  # templates and samples that are no Python
        folder, _, name = path.rpartition("/")
        flags = (1).to_bytes(4, "little")  # hash-based, unchecked
        source_hash = importlib.util.source_hash(entry.data)
        content = importlib.util.MAGIC_NUMBER + flags + source_hash + marshal.dumps(code)
        root[f"{folder}/__pycache__/{name.removesuffix('.py')}.cpython-311.pyc"] = Entry(
            mode=0o644, data=content
        )
