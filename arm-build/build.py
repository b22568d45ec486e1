"""Builds the image of edged for linux/arm64 on any Debian-like machine, without Docker or a base image.

    python3.11 arm-build/build.py            # out/image: an OCI image layout; out/edged-arm64.tar: the same
    python3.11 arm-build/build.py --lock     # resolve the dependencies anew and write requirements.lock
    python3.11 arm-build/verify.py           # run what was built under emulation and ask it for a verdict

Needs Python 3.11 with pip, apt and dpkg. README.md says what goes in and why.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tarfile
from pathlib import Path

import debian
import layers
import wheels

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parent
UID = 65532

_CONFIG = {
    "User": f"{UID}:{UID}",
    "Entrypoint": ["/usr/bin/edged"],
    "Cmd": ["run", "--config", "/etc/edged/edged.toml"],
    "WorkingDir": "/var/lib/edged",
    "Env": [
        "PATH=/usr/bin",
        "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt",
        "MALLOC_ARENA_MAX=2",
    ],
    "StopSignal": "SIGTERM",
}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--lock", action="store_true", help="write requirements.lock and stop")
    parser.add_argument("--out", type=Path, default=HERE / "out", help="default: arm-build/out")
    args = parser.parse_args()
    if args.lock:
        wheels.lock(CHECKOUT)
        return 0
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise SystemExit(f"{tool} is needed; this runs on Debian and its relatives")
    build(args.out.resolve())
    return 0


def build(out: Path) -> None:
    work = out / "work"
    work.mkdir(parents=True, exist_ok=True)
    say("fetching Debian packages for arm64")
    packages = debian.fetch(work)
    say("fetching wheels for aarch64")
    found = wheels.fetch(work)
    say("putting layers together")
    base, application = debian.read(packages), wheels.read(found) | wheels.own_files(CHECKOUT)
    for root in (base, application):
        wheels.add_compiled(root)
    for path, mode in (("var/lib/edged", 0o700), ("var/cache/edged", 0o700), ("run/edged", 0o750)):
        layers.owned(application, path, mode, UID)
    layers.add_parents(base)
    layers.add_parents(application)
    check_binaries(base | application)
    image = out / "image"
    shutil.rmtree(image, ignore_errors=True)
    digest = layers.write_layout(
        image, [("Debian packages", base), ("edged and its wheels", application)], _CONFIG, annotations()
    )
    write_manifest(out, digest, packages, found)
    archive(image, out / "edged-arm64.tar")
    size = sum(path.stat().st_size for path in image.rglob("*") if path.is_file())
    unpacked = sum(len(entry.data or b"") for entry in (base | application).values())
    say(f"{image}: {size / 1e6:.1f} MB packed, {unpacked / 1e6:.1f} MB unpacked, {digest}")


def annotations() -> dict[str, str]:
    namespace: dict[str, str] = {}
    exec((CHECKOUT / "edged" / "__init__.py").read_text(), namespace)
    return {
        "org.opencontainers.image.title": "edged",
        "org.opencontainers.image.version": namespace["__version__"],
        "org.opencontainers.image.licenses": "Apache-2.0",
    }


def check_binaries(root: layers.Root) -> None:
    """Every ELF file is for aarch64: an image with one x86 binary in it starts nowhere."""
    strange = [
        path
        for path, entry in root.items()
        if entry.data and entry.data[:4] == b"\x7fELF" and entry.data[18:20] != b"\xb7\x00"
    ]
    if strange:
        raise SystemExit(f"not for aarch64: {', '.join(sorted(strange))}")


def write_manifest(out: Path, digest: str, packages: dict[str, Path], found: list[Path]) -> None:
    """What is in the image, for people and scanners."""
    content = {
        "manifest": digest,
        "debian": debian.versions(packages),
        "wheels": [path.name for path in found],
    }
    (out / "manifest.json").write_text(json.dumps(content, indent=2) + "\n")


def archive(image: Path, target: Path) -> None:
    """The layout as one file, which `k3s ctr images import` and `podman load` read."""
    with tarfile.open(target, "w") as tar:
        for path in sorted(image.rglob("*")):
            info = tar.gettarinfo(str(path), str(path.relative_to(image)))
            info.uid = info.gid = 0
            info.uname = info.gname = ""
            info.mtime, info.mode = layers.EPOCH, 0o755 if path.is_dir() else 0o644
            if path.is_file():
                with path.open("rb") as file:
                    tar.addfile(info, file)
            else:
                tar.addfile(info)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
