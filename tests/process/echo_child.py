"""A child for test_children.py: answers as it is told to."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

from edged.process.child_program import answer_lines


def answer(question: dict[str, Any]) -> dict[str, Any]:
    if "sleep" in question:
        time.sleep(question["sleep"])
    if "fail" in question:
        raise ValueError(question["fail"])
    if "chatter" in question:
        sys.stderr.write("chatter\n" * question["chatter"])
    if "raw" in question:
        sys.stdout.write(question["raw"])
        sys.stdout.flush()
    return {"echo": question, "pid": os.getpid()}


if __name__ == "__main__":
    answer_lines(answer)
