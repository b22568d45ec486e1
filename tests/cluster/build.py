"""Builds the real Kubernetes programs that tests run against: etcd, kubectl and those of the control plane.

They come from their own Go modules through the small module in go/ (its go.sum pins every source). The
results go to a cache folder outside the checkout and are built again only when that module or the way of
building changes. Called by cluster.py and conftest.py, and by hand:

    python -m tests.cluster.build [program ...]

Environment: KUBEBUILDER_ASSETS names a folder of ready programs, which are used instead (what is missing
there is built); EDGED_KUBE_CACHE names the cache folder (else $XDG_CACHE_HOME/edged/kube/VERSION). Go is
taken from PATH or /usr/local/go/bin.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

VERSION = "1.37.2"
MODULE = Path(__file__).parent / "go"
PACKAGES = {
    "etcd": "./etcd",
    "kubectl": "k8s.io/kubernetes/cmd/kubectl",
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
    "kube-scheduler": "k8s.io/kubernetes/cmd/kube-scheduler",
}


class BuildError(Exception):
    """A program could not be built; the message has the end of the compiler's output."""


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether programs are there or could be built: true or false in a condition; `reason` says why not."""

    reason: str = ""

    def __bool__(self) -> bool:
        return not self.reason


def cache_folder() -> Path:
    """Where built programs are kept."""
    if given := os.environ.get("EDGED_KUBE_CACHE"):
        return Path(given)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "edged" / "kube" / VERSION


def available(names: Sequence[str] = tuple(PACKAGES)) -> Availability:
    """Whether `programs(names)` has a chance, without building anything."""
    missing = [name for name in names if _ready(name) is None]
    if not missing:
        return Availability()
    reason = go_reason()
    return Availability(f"{', '.join(missing)} not built, and {reason}" if reason else "")


def go_reason() -> str:
    """Why nothing can be built with Go; empty if it can."""
    go = go_program()
    if go is None:
        return "there is no Go"
    # Asked inside the module, so that a Go that is too old, and may not fetch a newer one, says so.
    asked = subprocess.run([go, "env", "GOVERSION"], cwd=MODULE, capture_output=True, text=True, check=False)
    return f"Go is unfit: {asked.stderr.strip()}" if asked.returncode else ""


def programs(names: Sequence[str] = tuple(PACKAGES)) -> dict[str, Path]:
    """Paths of the programs, built first where needed. Raises BuildError."""
    found = {name: _ready(name) for name in names}
    if any(path is None for path in found.values()):
        folder = cache_folder()
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder / ".lock"):
            for name in names:
                found[name] = _ready(name) or _build(name, folder)
    return {name: path for name, path in found.items() if path is not None}


def _ready(name: str) -> Path | None:
    """An up-to-date program that is already there."""
    if assets := os.environ.get("KUBEBUILDER_ASSETS"):
        given = Path(assets) / name
        if os.access(given, os.X_OK):
            return given
    program = cache_folder() / name
    stamp = cache_folder() / f"{name}.recipe"
    if not os.access(program, os.X_OK) or not stamp.exists():
        return None
    return program if stamp.read_text() == _recipe(name) else None


def _recipe(name: str) -> str:
    """A digest of everything that decides what is built, except the Go toolchain."""
    digest = hashlib.sha256()
    for part in (name, _linker_flags(), repr(sorted(_environment_changes().items()))):
        digest.update(part.encode() + b"\0")
    for file in ("go.mod", "go.sum", "etcd/main.go"):
        digest.update((MODULE / file).read_bytes() + b"\0")
    return digest.hexdigest()


def _build(name: str, folder: Path) -> Path:
    go = go_program()
    if go is None:
        raise BuildError(f"cannot build {name}: no Go in PATH or /usr/local/go/bin")
    _say(f"building {name} (the first time takes minutes)")
    began = time.monotonic()
    unfinished = folder / f".{name}.{os.getpid()}"
    command = [go, "build", "-trimpath", "-mod=readonly", "-ldflags", _linker_flags(), "-o", str(unfinished)]
    # The compilers of a cold build use every core for minutes: whoever works on this machine goes first.
    command = [*_politely(), *command, PACKAGES[name]]
    environment = os.environ | _environment_changes()
    try:
        done = subprocess.run(
            command, cwd=MODULE, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise BuildError(f"go build {PACKAGES[name]} failed:\n{done.stderr[-4000:]}")
        unfinished.replace(folder / name)
        (folder / f"{name}.recipe").write_text(_recipe(name))
    finally:
        unfinished.unlink(missing_ok=True)
    _say(f"built {folder / name} in {time.monotonic() - began:.0f} s")
    return folder / name


def _linker_flags() -> str:
    """Stamps the version in: kube-apiserver reads its own for feature gates and storage compatibility."""
    major, minor, _ = VERSION.split(".")
    values = {
        "gitVersion": f"v{VERSION}",
        "gitMajor": major,
        "gitMinor": minor,
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
    }
    stamped = [
        f"-X {package}.{key}={value}"
        for package in ("k8s.io/client-go/pkg/version", "k8s.io/component-base/version")
        for key, value in values.items()
    ]
    return " ".join(["-s", "-w", *stamped])


def _environment_changes() -> dict[str, str]:
    return {"CGO_ENABLED": "0", "GOWORK": "off"}


def _politely() -> list[str]:
    nice = shutil.which("nice")
    return [nice, "-n", "10"] if nice else []


def go_program() -> str | None:
    """Where Go is, if anywhere."""
    return shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Only one process builds at a time; the others wait and then find the result."""
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("another process is building; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _say(text: str) -> None:
    print(f"tests.cluster.build: {text}", file=sys.stderr, flush=True)


def main() -> int:
    """Command line: builds the named programs, or all, and prints their paths."""
    parser = argparse.ArgumentParser(description="Build the real Kubernetes programs that tests run against.")
    parser.add_argument("program", nargs="*", help=f"one of {', '.join(PACKAGES)} (default: all)")
    names = parser.parse_args().program or list(PACKAGES)
    if unknown := set(names) - set(PACKAGES):
        parser.error(f"unknown program {', '.join(sorted(unknown))}")
    if not (possible := available(names)):
        _say(possible.reason)
        return 1
    try:
        built = programs(names)
    except BuildError as error:
        _say(str(error))
        return 1
    for path in built.values():
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
