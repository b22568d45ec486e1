"""The table of built-in kinds, and what is read from it."""

from __future__ import annotations

import subprocess
import sys

from edged.sandbox.kinds.builtin_kinds import ROWS, builtin_plurals


def test_plurals_and_scopes() -> None:
    plurals = builtin_plurals()
    assert plurals["v1", "Pod"] == ("pods", True)
    assert plurals["v1", "Node"] == ("nodes", False)
    assert plurals["networking.k8s.io/v1", "NetworkPolicy"] == ("networkpolicies", True)
    assert len(plurals) == sum(len(rows) for _, _, _, rows in ROWS)


def test_the_table_comes_without_the_sandbox() -> None:
    code = ("import sys, edged.sandbox.kinds.builtin_kinds; "
            "print(sorted(n for n in sys.modules if n.startswith('edged.sandbox.')))")  # fmt: skip
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert ran.stdout.strip() == "['edged.sandbox.kinds', 'edged.sandbox.kinds.builtin_kinds']"
