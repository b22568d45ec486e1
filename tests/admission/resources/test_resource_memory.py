"""What is remembered across restarts of the custom resources that were served."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edged.admission.resources.resource_memory import FILE_NAME, Memory
from tests.admission.resources.scene import policy
from tests.kube.support import quiet
from tests.kube.support import run as run_trio


def test_settings_are_not_written_for_others_to_read(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "state", quiet())

    async def main() -> None:
        await memory.remember([policy("x", settings={"token": "s"})], ["clusterwide-x"])
        before = os.stat(tmp_path / "state" / FILE_NAME)
        assert before.st_mode & 0o777 == 0o600
        await memory.remember([{**policy("x", settings={"token": "s"}), "status": {"a": 1}}], ["clusterwide-x"])
        assert os.stat(tmp_path / "state" / FILE_NAME).st_ino == before.st_ino  # nothing new

    run_trio(main)
    recalled = Memory(tmp_path / "state", quiet()).recall()
    assert recalled is not None and recalled[1] == {"clusterwide-x"}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"objects": [1], "registered": []}', b'{"objects": 5}'])
def test_a_damaged_memory_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    assert Memory(tmp_path, quiet()).recall() is None
