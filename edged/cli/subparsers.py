"""What a command declares itself to: the value of argparse's `add_subparsers`, under a name. For types only."""

from __future__ import annotations

import argparse
from typing import TypeAlias

Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
