"""`python -m edged` and the `edged` script: hands over to edged/cli."""

from __future__ import annotations

import sys

from edged import cli


def main() -> int:
    return cli.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
