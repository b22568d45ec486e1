"""Compiles one Rego policy: `python opa.py OPA POLICY.rego ENTRYPOINT OUT.wasm`. Called by build.py.

`opa build` writes a bundle; only the module in it is kept.
"""

import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path


def main(opa: str, source: str, entrypoint: str, out: str) -> None:
    with tempfile.TemporaryDirectory(prefix="edged-opa-") as scratch:
        bundle = Path(scratch) / "bundle.tar.gz"
        subprocess.run([opa, "build", "-t", "wasm", "-e", entrypoint, "-o", str(bundle), source], check=True)
        with tarfile.open(bundle) as archive:
            module = archive.extractfile("/policy.wasm")
            assert module is not None
            Path(out).write_bytes(module.read())


if __name__ == "__main__":
    main(*sys.argv[1:])
