"""Limits read from the unit, and where a memory cgroup is made, on texts of both hierarchies."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fire.rows import NotRun
from tests.fire.unit import MemoryGroup, memory_parent, unit_limits

LEGACY = "42 32 0:38 / {} rw,relatime shared:17 - cgroup cgroup rw,memory"
UNIFIED = "35 24 0:30 / {} rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate"


def test_the_limits_are_those_of_the_unit() -> None:
    text = "[Service]\nEnvironment=A=1 MALLOC_ARENA_MAX=2\nEnvironment=B=x=y\nMemoryMax=384M\nLimitNOFILE=4096\n"
    limits = unit_limits(text)
    assert (limits.memory, limits.files) == (384 << 20, 4096)
    assert limits.environment == {"A": "1", "MALLOC_ARENA_MAX": "2", "B": "x=y"}
    own = unit_limits()
    assert own.memory >= 128 << 20 and own.files >= 1024 and "MALLOC_ARENA_MAX" in own.environment


def test_a_unit_without_limits_is_refused() -> None:
    with pytest.raises(ValueError, match="MemoryMax"):
        unit_limits("[Service]\nLimitNOFILE=4096\n")


def test_the_old_hierarchy_is_used_where_it_has_the_memory_controller(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    mounts = f"{UNIFIED.format('/unified')}\n{LEGACY.format(tmp_path)}"
    assert memory_parent(mounts, "4:memory:/own\n0::/\n") == (tmp_path / "own", False)
    assert memory_parent(mounts, "4:memory:/elsewhere\n0::/\n") == (tmp_path, False)


def test_the_unified_hierarchy_is_used_otherwise() -> None:
    assert memory_parent(UNIFIED.format("/sys/fs/cgroup"), "0::/user.slice\n") == (Path("/sys/fs/cgroup"), True)


def test_a_machine_without_cgroups_cannot_run_a_row() -> None:
    with pytest.raises(NotRun, match="no memory cgroup is mounted"):
        memory_parent("22 1 0:20 / / rw - ext4 /dev/vda rw", "")


@pytest.mark.parametrize(("line", "file"), [(LEGACY, "memory.limit_in_bytes"), (UNIFIED, "memory.max")])
def test_a_group_has_its_limit_and_counts_kills(tmp_path: Path, line: str, file: str) -> None:
    controllers = "4:memory:/" if line is LEGACY else "0::/"
    group = MemoryGroup(1 << 20, mounts=line.format(tmp_path), own=controllers)
    assert group.folder.parent == tmp_path
    assert (group.folder / file).read_text() == str(1 << 20)
    assert group.launcher(64)[-2:] == [str(group.folder), "64"]
    for name in ("memory.events", "memory.oom_control"):
        (group.folder / name).write_text("oom 3\noom_kill 2\n")
    assert group.kills() == 2


def test_who_may_not_make_a_group_cannot_run_a_row(tmp_path: Path) -> None:
    with pytest.raises(NotRun, match="run it as root"):
        MemoryGroup(1, mounts=UNIFIED.format(tmp_path / "missing"), own="0::/")
