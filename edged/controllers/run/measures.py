"""What the metrics of a process say about its controllers: queues, reconciles, traps, requests, memory."""

from __future__ import annotations

from typing import Final

from edged.telemetry.metrics import MetricRegistry

_SECONDS: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)


class Measures:
    """The series of all controllers, labelled with the module's name."""

    def __init__(self, registry: MetricRegistry) -> None:
        one = ("controller",)
        self.registry = registry
        self.reconciles = registry.counter(
            "edged_controller_reconciles_total", "Reconciles, by how they ended.", ("controller", "result")
        )
        self.seconds = registry.histogram(
            "edged_controller_reconcile_seconds", "Time of one reconcile, requests included.", one, _SECONDS
        )
        self.queue = registry.gauge("edged_controller_queue_length", "Keys that wait to be reconciled.", one)
        self.waiting = registry.gauge("edged_controller_keys_later", "Keys that become due later.", one)
        self.wakes = registry.counter("edged_controller_instances_total", "Instances made, by the reason.",
                                      ("controller", "reason"))  # fmt: skip
        self.live = registry.gauge("edged_controller_instances", "Instances that are alive.", one)
        self.memory = registry.gauge("edged_controller_memory_bytes", "Linear memory of live instances.", one)
        self.requests = registry.gauge("edged_controller_api_requests", "Requests to the API server so far.", one)
        self.throttled = registry.gauge(
            "edged_controller_throttled", "Requests refused so far, by the module's own rate or the API server.", one
        )
        self.watches = registry.gauge("edged_controller_watches", "Open watches.", one)
        self.objects = registry.gauge("edged_controller_cached_objects", "Objects in the module's watches.", one)
        self.parked = registry.gauge("edged_controller_parked", "1 while the module rests after traps.", one)
        self.leads = registry.gauge("edged_controller_leads", "1 while the module may act.", one)

    def forget(self, controller: str) -> None:
        """The module is gone."""
        for gauge in (self.queue, self.waiting, self.live, self.memory, self.requests, self.throttled, self.watches,
                      self.objects, self.parked, self.leads):  # fmt: skip
            gauge.remove(controller)
