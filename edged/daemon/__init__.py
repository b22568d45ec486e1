"""The one place that wires: makes every object, opens the nurseries, orders start, reload and stop.

daemon.py starts and stops, base.py is what every part leans on, admission_part.py joins what belongs to admission,
served_policies.py the policies of both sources, reload.py takes up a new configuration, operations.py answers on the
status socket, heartbeat.py is what the watchdog goes by. protection.py judges whether the cluster is protected, from
the facts of health.py; health_metrics.py makes metrics of them.
"""
