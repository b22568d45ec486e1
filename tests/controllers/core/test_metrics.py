from __future__ import annotations

import math

import pytest

from edged.controllers.core.codes import Code, Refused
from edged.controllers.core.metrics import ModuleMetrics
from edged.controllers.core.requests import MetricRequest
from edged.telemetry.metrics import MetricRegistry


def note(metrics, name, op="inc", value=1.0, **labels):
    metrics.note(MetricRequest(name, op, value, labels))


def code(metrics, *args, **fields):
    with pytest.raises(Refused) as refused:
        note(metrics, *args, **fields)
    return refused.value.code, str(refused.value)


def test_each_operation_makes_its_kind_of_metric():
    registry = MetricRegistry()
    metrics = ModuleMetrics("kos-ipam", registry)
    note(metrics, "locks", value=2)
    note(metrics, "locks", value=3)
    note(metrics, "free", "set", 7, subnet="s1")
    note(metrics, "seconds", "observe", 0.3)
    text = registry.render().decode()
    assert "# HELP edged_controller_kos_ipam_locks Of the controller module kos-ipam.\n" in text
    assert "\nedged_controller_kos_ipam_locks 5\n" in text
    assert "# TYPE edged_controller_kos_ipam_locks counter" in text
    assert '\nedged_controller_kos_ipam_free{subnet="s1"} 7\n' in text
    assert "edged_controller_kos_ipam_seconds_sum 0.3\n" in text


def test_the_first_use_says_what_a_name_is():
    metrics = ModuleMetrics("m", MetricRegistry())
    note(metrics, "a", x="1", y="2")
    note(metrics, "a", y="2", x="3")
    assert code(metrics, "a") == (Code.INVALID, "metric.name: a was used with inc and the labels x, y before")
    assert code(metrics, "a", "set", x="1", y="2")[0] == Code.INVALID


@pytest.mark.parametrize(
    ("args", "fields", "message"),
    [
        (("a-b",), {}, "a-b is no name of a metric"), (("x" * 101,), {}, "is no name"),
        (("a",), {"__x": "1"}, "__x is no name of a label"), (("a", "observe"), {"le": "1"}, "le is no name"),
        (("a", "inc", -1.0), {}, "a counter only goes up"), (("a", "set", math.inf), {}, "must be finite"),
    ],
)  # fmt: skip
def test_what_is_no_metric(args, fields, message):
    metrics = ModuleMetrics("m", MetricRegistry())
    found, text = code(metrics, *args, **fields)
    assert found == Code.INVALID
    assert message in text
    note(metrics, "a", "set")


def test_series_without_end():
    registry = MetricRegistry()
    metrics = ModuleMetrics("m", registry, most_series=3)
    for n in range(3):
        note(metrics, "a", label=str(n))
    assert code(metrics, "a", label="3")[0] == Code.LIMIT
    assert code(metrics, "b")[0] == Code.LIMIT
    note(metrics, "a", label="2")
    assert '{label="2"} 2' in registry.render().decode()


def test_long_labels_are_cut():
    registry = MetricRegistry()
    note(ModuleMetrics("m", registry), "a", label="x" * 1000)
    assert "x" * 125 not in registry.render().decode()


def test_two_modules_do_not_share_a_metric():
    registry = MetricRegistry()
    note(ModuleMetrics("a-b", registry), "n")
    assert code(ModuleMetrics("a_b", registry), "n") == (
        Code.INVALID, "metric.name: metric edged_controller_a_b_n exists already",
    )  # fmt: skip
