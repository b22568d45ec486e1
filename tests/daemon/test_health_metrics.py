"""The process's health as metrics, without any listener. tests/daemon/test_health.py has those of a daemon at work."""

from __future__ import annotations

from pathlib import Path

from edged import config as configuration
from edged.daemon.admission_part import AdmissionPart
from edged.daemon.base import Base
from edged.daemon.health import DaemonHealth
from edged.daemon.health_metrics import health_metrics
from edged.daemon.reload import Reload
from edged.telemetry.logs import Logger
from edged.telemetry.metrics import MetricRegistry


def test_metrics_of_a_process_that_has_done_nothing(tmp_path: Path) -> None:
    base = Base(configuration.parse(f'[node]\nstate_dir = "{tmp_path}"\n'), Logger(write=lambda line: None))
    part = AdmissionPart(base)
    reload = Reload(base, part.policies, None)
    registry = MetricRegistry()
    health_metrics(registry, DaemonHealth(base, part, reload))
    text = registry.render().decode()
    assert 'edged_build_info{version="0.1.0",python="3.' in text and 'wasmtime="' in text
    for line in (
        "edged_ready 0", 'edged_config_reloads_total{result="applied"} 0', "edged_config_last_reload_successful 1",
        'edged_problems{subject="policies"} 1', 'edged_problems{subject="scheduler"} 0',
    ):  # fmt: skip
        assert f"{line}\n" in text, line
    assert "edged_registered{" not in text and "edged_api_server_reachable 0" not in text, "nothing is known of it"

    reload.error, reload.refused = "no", 2
    base.client.contact.failed("refused")
    text = registry.render().decode()
    assert "edged_config_last_reload_successful 0\n" in text
    assert 'edged_config_reloads_total{result="refused"} 2\n' in text
    assert "edged_api_server_reachable 0\n" in text and "\nedged_api_server_last_contact_timestamp_seconds " not in text
    base.client.contact.heard()
    text = registry.render().decode()
    assert "edged_api_server_reachable 1\n" in text and "\nedged_api_server_last_contact_timestamp_seconds " in text
    assert 'edged_watch_comparisons_total{result="rewritten"} 0\n' in text
    base.informers.comparisons["rewritten"] += 1
    assert 'edged_watch_comparisons_total{result="rewritten"} 1\n' in registry.render().decode()
    base.engine.close()
