"""Mappings are counted in the group that their path says."""

from tests.bench.memory_map import grouped

SMAPS = """
55d0-55d1 r-xp 00000000 08:01 1 /usr/bin/python3.11
Size:                 40 kB
Rss:                  12 kB
55d2-55d3 rw-p 00000000 00:00 0 [heap]
Rss:                 100 kB
7f00-7f01 rw-p 00000000 00:00 0
Rss:                  50 kB
7f02-7f03 r-xp 00000000 08:01 2 /x/site-packages/wasmtime/linux-x86_64/_libwasmtime.so
Rss:                   7 kB
7f04-7f05 r-xp 00000000 08:01 3 /usr/lib/x86_64-linux-gnu/libcrypto.so.3
Rss:                   5 kB
7f06-7f07 r-xp 00000000 08:01 4 /x/lib/python3.11/site-packages/orjson/orjson.cpython-311-x86_64-linux-gnu.so
Rss:                   3 kB
7f08-7f09 rw-p 00000000 00:00 0 [stack]
Rss:                   2 kB
7f0a-7f0b r--p 00000000 08:01 5 /x/cache/modules/abc
Rss:                   1 kB
"""


def test_mappings_are_grouped_by_path() -> None:
    assert grouped(SMAPS.splitlines()) == {
        "wasmtime": 7, "openssl": 5, "python": 12, "libraries": 3, "heap": 150, "stacks": 2, "other": 1
    }  # fmt: skip
