"""Builds the policies in this folder with Kubewarden's real Rust SDK (crate `kubewarden-policy-sdk`).

They are what edged's users run, made by the same toolkit, so they are the best compatibility test there is.
The results go to a cache folder outside the checkout and are built again only when a source, Cargo.lock or
the compiler changes. A first build takes 5 to 10 minutes of CPU, later ones seconds. Called by test files
through `required`, by tests/bench/policies, and by hand:

    python -m tests.guests.rust.build [policy ...]

Needs a rustc that has its own sources, cargo beside it, and wasm-ld; on Debian:

    apt-get install --no-install-recommends rustc-web cargo-web rust-web-src lld

rustup's compilers come without the sources of the standard library, which has to be compiled for Wasm here,
so they are passed over. Environment: EDGED_GUEST_CACHE names the cache folder (else
$XDG_CACHE_HOME/edged/guests).
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ANNOTATE = HERE.parents[2] / "modules" / "annotate.py"
POLICIES = ("context", "endless", "hog", "label", "patterns", "pods", "raw")
TARGET = "wasm32-unknown-unknown"


class BuildError(Exception):
    """A policy could not be built; the message has the end of the compiler's output."""


@dataclass(frozen=True, slots=True)
class Toolchain:
    """A compiler that can build the standard library for Wasm, with its cargo and linker."""

    rustc: Path
    cargo: Path
    linker: Path
    version: str


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether policies are there or could be built: true or false in a condition; `reason` says why not."""

    reason: str = ""

    def __bool__(self) -> bool:
        return not self.reason


def cache_folder() -> Path:
    """Where built policies are kept, and cargo's own files."""
    if given := os.environ.get("EDGED_GUEST_CACHE"):
        return Path(given)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "edged" / "guests"


def available() -> Availability:
    """Whether `policies()` has a chance, without building anything."""
    found = _toolchain()
    return Availability(found) if isinstance(found, str) else Availability()


def policies(names: Sequence[str] = POLICIES, *, variant: str = "") -> dict[str, Path]:
    """name -> finished .wasm with metadata, built first where needed. Raises BuildError.

    `variant` goes into the policies as a constant: policies of different bytes from one source.
    """
    toolchain = _toolchain()
    if isinstance(toolchain, str):
        raise BuildError(toolchain)
    folder = cache_folder() / "policies" / _stamp(toolchain, variant)
    if any(not _path(folder, name).exists() for name in names):
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(cache_folder() / ".lock"):
            _build(toolchain, names, variant, folder)
    return {name: _path(folder, name) for name in names}


def build_crate(folder: Path, out: Path) -> None:
    """Builds a crate of its own, which makes one module, into `out`. Raises BuildError.

    Cargo keeps what it built beside the policies' and builds only what changed.
    """
    toolchain = _toolchain()
    if isinstance(toolchain, str):
        raise BuildError(toolchain)
    target = cache_folder() / "target"
    with _locked(cache_folder() / ".lock"):
        _run(_command(toolchain), folder, _environment(toolchain, "", target))
        name = tomllib.loads((folder / "Cargo.toml").read_text())["package"]["name"]
        built = target / TARGET / "release" / f"{name.replace('-', '_')}.wasm"
        out.write_bytes(built.read_bytes())


def required(names: Sequence[str] = POLICIES) -> dict[str, Path]:
    """`policies(names)` for tests: a test that uses it belongs to the part `rust`."""
    from tests import parts

    parts.require("rust")
    parts.require("rust", available().reason)
    return policies(names)


def _path(folder: Path, name: str) -> Path:
    return folder / f"{name}.wasm"


def _toolchain() -> Toolchain | str:
    """The first fit compiler, or why there is none."""
    linker = shutil.which("wasm-ld")
    if linker is None:
        return "Rust policies not built: wasm-ld is missing (Debian: lld)"
    for rustc in dict.fromkeys(filter(None, (shutil.which("rustc"), "/usr/bin/rustc"))):
        cargo = Path(rustc).with_name("cargo")
        if (
            Path(rustc).exists()
            and cargo.exists()
            and (_sysroot(rustc) / "lib/rustlib/src/rust/library/std").exists()
        ):
            version = _output(rustc, "--version")
            return Toolchain(Path(rustc), cargo, Path(linker), version)
    return (
        "Rust policies not built: no rustc with the sources of std (Debian: rustc-web cargo-web rust-web-src)"
    )


def _sysroot(rustc: str) -> Path:
    return Path(_output(rustc, "--print", "sysroot"))


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def _stamp(toolchain: Toolchain, variant: str) -> str:
    """Changes with everything that goes into a policy."""
    digest = hashlib.sha256(f"{toolchain.version}\0{variant}\0".encode())
    sources = [
        *HERE.glob("*.toml"),
        HERE / "Cargo.lock",
        *HERE.glob("*/Cargo.toml"),
        *HERE.glob("*/src/*.rs"),
    ]
    for path in sorted([*sources, *HERE.glob("*/metadata.json"), ANNOTATE]):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _build(toolchain: Toolchain, names: Sequence[str], variant: str, folder: Path) -> None:
    missing = [name for name in names if not _path(folder, name).exists()]
    if not missing:
        return  # somebody else built them while this process waited for the lock
    target = cache_folder() / "target"
    command = [*_command(toolchain), *(word for name in missing for word in ("-p", name))]
    started = time.monotonic()
    _run(command, HERE, _environment(toolchain, variant, target))
    annotate = _annotate()
    for name in missing:
        finished = annotate((target / TARGET / "release" / f"{name}.wasm").read_bytes(), _metadata(name))
        unfinished = _path(folder, name).with_suffix(".part")
        unfinished.write_bytes(finished)
        unfinished.rename(_path(folder, name))
    print(f"built {', '.join(missing)} in {time.monotonic() - started:.0f} s", file=sys.stderr)


def _command(toolchain: Toolchain) -> list[str]:
    command = [str(toolchain.cargo), "build", "--locked", "--release", "--target", TARGET]
    return [*command, "-Z", "build-std=std,panic_abort"]


def _run(command: Sequence[str], folder: Path, environment: dict[str, str]) -> None:
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if run.returncode:
        raise BuildError(f"{' '.join(command)} failed:\n{run.stderr[-4000:]}")


def _environment(toolchain: Toolchain, variant: str, target: Path) -> dict[str, str]:
    return {
        **{key: value for key, value in os.environ.items() if key not in ("RUSTFLAGS", "RUSTUP_TOOLCHAIN")},
        "RUSTC": str(toolchain.rustc),
        "RUSTC_BOOTSTRAP": "1",  # -Z build-std on a compiler that calls itself stable
        "CARGO_TARGET_DIR": str(target),
        f"CARGO_TARGET_{TARGET.upper().replace('-', '_')}_LINKER": str(toolchain.linker),
        "EDGED_POLICY_VARIANT": variant,
    }


def _metadata(name: str) -> bytes:
    return (HERE / name / "metadata.json").read_bytes()


def _annotate() -> Callable[[bytes, bytes], bytes]:
    """modules/ is no package: its scripts work by themselves."""
    spec = importlib.util.spec_from_file_location("annotate", ANNOTATE)
    assert spec is not None and spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    function: Callable[[bytes, bytes], bytes] = loaded.annotate
    return function


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One build at a time on this machine."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def main() -> int:
    parser = argparse.ArgumentParser(description="Build the policies made with Kubewarden's Rust SDK.")
    parser.add_argument("policies", nargs="*", help=f"of {', '.join(POLICIES)}; default: all")
    chosen = parser.parse_args().policies or POLICIES
    if unknown := set(chosen) - set(POLICIES):
        parser.error(f"no such policy: {', '.join(sorted(unknown))}")
    try:
        for name, path in policies(chosen).items():
            print(f"{name} {path.stat().st_size} {path}")
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
