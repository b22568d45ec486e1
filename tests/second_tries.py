"""Names the tests that passed at the second try only, and fails if there are too many of them.

    python -m tests.second_tries --most 2 [FIRST SECOND]...

FIRST and SECOND are what pytest remembers as failed (`lastfailed` in its cache) after the first run of the tests and
after that of what had failed. Called by .ci/run.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path


def only_second(first: Path, second: Path) -> tuple[list[str], list[str]]:
    """Tests that passed at the second try, and those that failed again. Raises ValueError if the files cannot tell."""
    remembered = []
    for path in (first, second):
        failed = json.loads(path.read_text()) if path.exists() else None
        if not isinstance(failed, dict):
            raise ValueError(f"{path} does not say what failed: the tests ended before they were over")
        remembered.append(failed)
    return sorted(set(remembered[0]) - set(remembered[1])), sorted(remembered[1])


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.second_tries", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--most", type=int, required=True, help="how many may pass at the second try only")
    parser.add_argument("files", nargs="*", type=Path, help="FIRST SECOND, any number of times")
    options = parser.parse_args(arguments)
    if len(options.files) % 2:
        parser.error("each FIRST needs its SECOND")
    passed: list[str] = []
    failed: list[str] = []
    try:
        for first, second in zip(options.files[::2], options.files[1::2], strict=True):
            names = only_second(first, second)
            passed += names[0]
            failed += names[1]
    except ValueError as error:
        print(error)
        return 1
    for name in failed:
        print(f"failed twice: {name}")
    for name in passed:
        print(f"passed at the second try only: {name}")
    print(f"{len(passed)} passed at the second try only ({options.most} may), {len(failed)} failed twice")
    return int(len(passed) > options.most or bool(failed))


if __name__ == "__main__":
    sys.exit(main())
