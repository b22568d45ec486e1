"""A test that hangs fails after its time with the stacks of its tasks, and the next test finds a usable trio."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
HANGS = """
import pytest, trio

@pytest.mark.timeout(0.5)
def test_in_a_task():
    async def waits_for_ever():
        await trio.sleep_forever()
    trio.run(waits_for_ever)

@pytest.mark.timeout(0.5)
def test_without_trio():
    while True:
        pass

def test_afterwards():
    trio.run(trio.sleep, 0)
"""


def test_a_hang_is_a_failure_with_a_stack(tmp_path: Path) -> None:
    hangs = tmp_path / "test_hangs.py"
    hangs.write_text(HANGS)
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-c", "pyproject.toml", str(hangs)]
    done = subprocess.run([*command, "-p", "no:cacheprovider"], cwd=ROOT, capture_output=True, text=True, check=False)
    output = done.stdout + done.stderr
    assert done.returncode == 1, output
    assert "FAILED" in output and "test_in_a_task - Failed: Timeout" in output
    assert "test_without_trio - Failed: Timeout" in output and "2 failed, 1 passed" in output
    assert "in waits_for_ever\n    await trio.sleep_forever()" in output
