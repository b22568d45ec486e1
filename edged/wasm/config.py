"""[engine] of the configuration file: what one guest may use. Pure; called by edged/config.py."""



from __future__ import annotations

from typing import Literal

from edged.records import dataclass
from edged.toml.reader import integer, number, one_of, setting

Kind = Literal["native", "pulley"]
MIB_OF_32_BITS = 4096
"""The largest memory that a 32-bit guest can have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineConfig:
    """[engine]."""

    kind: Kind = setting(one_of(Kind), "native")
    memory_limit_mib: int = setting(integer(1, MIB_OF_32_BITS), 64)
    guests_memory_mib: int = setting(integer(1, 1 << 20), 192)
    cpu_budget_ms: int = setting(integer(1, 3_600_000), 1000)
    wall_timeout_s: float = setting(number(0, 3600, above=True), 2.0)
