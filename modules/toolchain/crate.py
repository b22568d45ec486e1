"""Builds the crate in the working directory for wasm32-unknown-unknown, with its own std, into a file: see build.py.

    python crate.py OUT.wasm
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.guests.rust import build  # noqa: E402

try:
    build.build_crate(Path.cwd(), Path(sys.argv[1]))
except build.BuildError as error:
    sys.exit(str(error))
