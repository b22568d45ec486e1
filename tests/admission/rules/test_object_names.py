"""A configuration file is read without the rules of webhooks, which bring the parser of CEL."""

from __future__ import annotations

import subprocess
import sys


def test_configuration_needs_no_rules_of_webhooks() -> None:
    code = (
        "import sys, edged.config; "
        "print(sorted(m for m in sys.modules if m.rpartition('.')[2].startswith(('webhook', 'manifest', 'cel_'))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
