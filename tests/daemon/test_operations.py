"""What the status socket answers where little is configured: every operation says why it cannot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio

from edged import config as configuration
from edged.daemon.admission_part import AdmissionPart
from edged.daemon.base import Base
from edged.daemon.health import DaemonHealth
from edged.daemon.operations import Operations
from edged.daemon.reload import Reload
from edged.errors import ConfigError
from edged.telemetry.logs import Logger


async def _nobody(event: dict[str, Any]) -> None:
    """Hears of progress."""


def test_a_process_that_does_nothing(tmp_path: Path) -> None:
    base = Base(configuration.parse(f'[node]\nstate_dir = "{tmp_path}"\n'), Logger(write=lambda line: None))
    part = AdmissionPart(base)
    reload = Reload(base, part.policies, None)
    operations = Operations(base, part, reload, DaemonHealth(base, part, reload))

    async def main() -> None:
        table = operations.table()
        status = await table["status"]({}, _nobody)
        assert status["ready"] is False and status["policies"] == {} and status["registration"] == {"mode": "off"}
        for name, why in (
            ("why", r"\[scheduler\] is not configured"),
            ("fabric", r"no \[\[controller\]\] is configured"),
            ("audit", r"\[admission\] is not configured"),
            ("reviews", "there is no policy"),
        ):
            with pytest.raises(ConfigError, match=why):
                await table[name]({"operation": name}, _nobody)

    trio.run(main)
    base.engine.close()


def test_everything_counts_internal_errors_in_one_place(tmp_path: Path) -> None:
    log = Logger(write=lambda line: None)
    base = Base(configuration.parse(f'[node]\nstate_dir = "{tmp_path}"\n'), log)
    assert base.informers._log is base.source._log is log
    base.engine.close()
