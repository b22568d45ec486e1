"""A name for the type of argparse's `add_subparsers`, where a command declares itself. For types only."""

from __future__ import annotations

import argparse
from typing import TypeAlias

Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
