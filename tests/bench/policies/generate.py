"""Makes different policies of more than 1 MB for memory benchmarks, from the Rust SDK policy `pods`.

A process that loads ten policies must not be measured with ten copies of one, because modules are shared by
digest. The code of these is alike and their bytes are not, so each is compiled, cached and mapped by itself.
One is built; the others get another constant written into the data section, which gives byte for byte what
a build with that constant gives, without 45 s of CPU each. Called by benchmarks through `generate`, and:

    python -m tests.bench.policies.generate [--count 10] [--into FOLDER]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.guests.rust import build

POLICY = "pods"
MOST = 100


def generate(count: int = 10, folder: Path | None = None) -> list[Path]:
    """Paths of `count` policies of different digests, in `folder` (default: in the cache folder).

    Raises BuildError. The first call builds the one policy, and what it needs when that was never built.
    """
    if not 1 <= count <= MOST:
        raise ValueError(f"count is {count}; it must be from 1 to {MOST}")
    folder = folder or build.cache_folder() / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    original = build.policies([POLICY], variant=_constant(0))[POLICY].read_bytes()
    paths = [folder / f"{POLICY}-{number:02}.wasm" for number in range(count)]
    for number, path in enumerate(paths):
        path.write_bytes(_variant(original, number))
    return paths


def _constant(number: int) -> str:
    """Always of the same length, so that nothing in the module moves."""
    return f"bench-{number:02}"


def _variant(original: bytes, number: int) -> bytes:
    constant = _constant(0).encode()
    if original.count(constant) != 1:
        raise build.BuildError(
            f"the policy should hold the text {constant!r} once, not {original.count(constant)} times"
        )
    return original.replace(constant, _constant(number).encode())


def main() -> int:
    parser = argparse.ArgumentParser(description="Make different Rust policies for memory benchmarks.")
    parser.add_argument("--count", type=int, default=10, help=f"1 to {MOST}")
    parser.add_argument("--into", type=Path, metavar="FOLDER")
    options = parser.parse_args()
    try:
        paths = generate(options.count, options.into)
    except (build.BuildError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    for path in paths:
        print(f"{path.stat().st_size} {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
