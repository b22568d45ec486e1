"""How many children may run at once: pure figures, and files as the kernel writes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from edged.process.room import Room, may_start, measure


@pytest.mark.parametrize(
    ("room", "running", "may"),
    [
        (Room(2, 4000, 1000), [], True),
        (Room(2, 4000, 1000), [60], True),
        (Room(2, 4000, 1000), [60, 60], False),  # as many as processors
        (Room(4, 4000, 1000), [60, 60], True),
        (Room(1, 4000, 1000), [60], False),
        (Room(4, 950, 600), [60], False),  # a board of 1 GB
        (Room(4, 1900, 600), [60], True),
        (Room(4, 1900, 600), [60, 60], False),
        (Room(4, 4000, 216), [60], True),
        (Room(4, 4000, 215), [60], False),  # they may still grow, and somebody else needs memory, too
    ],
)
def test_a_child_more(room: Room, running: list[float], may: bool) -> None:
    assert may_start(room, running, 60) is may


def system(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


MEMINFO = "MemTotal:        2048000 kB\nMemFree: 1 kB\nMemAvailable:    1024000 kB\nOdd:\n"


def test_the_machine_without_control_groups(tmp_path: Path) -> None:
    room = measure(system(tmp_path, proc__meminfo=MEMINFO))
    assert (room.memory_mib, room.free_mib) == (2000, 1000) and room.processors >= 1


def test_the_narrowest_of_the_control_groups_counts(tmp_path: Path) -> None:
    unit = "sys__fs__cgroup__system.slice__edged.service__memory."
    files = {
        "proc__meminfo": MEMINFO,
        "proc__self__cgroup": "1:cpu:/x\n0::/system.slice/edged.service\n",
        f"{unit}max": f"{384 << 20}\n", f"{unit}high": "max\n", f"{unit}current": f"{100 << 20}\n",
        f"{unit}stat": f"anon 5\ninactive_file {16 << 20}\nfile x\n",
        "sys__fs__cgroup__system.slice__memory.max": "max\n",
        "sys__fs__cgroup__system.slice__memory.current": f"{900 << 20}\n",
    }  # fmt: skip
    assert measure(system(tmp_path, **files)).free_mib == 300
    (tmp_path / "sys/fs/cgroup/system.slice/memory.high").write_text(f"{1000 << 20}")
    assert measure(tmp_path).free_mib == 100


@pytest.mark.parametrize("junk", ["", "0::/../../x\n", "0::\n", "\0", "0::/" + "x/" * 200])
def test_what_cannot_be_read_limits_nothing(tmp_path: Path, junk: str) -> None:
    assert measure(system(tmp_path, proc__meminfo=MEMINFO, proc__self__cgroup=junk)).free_mib == 1000
    assert measure(tmp_path / "nowhere").free_mib > 1000


def test_this_machine() -> None:
    room = measure()
    assert room.processors >= 1 and 0 < room.free_mib <= room.memory_mib
