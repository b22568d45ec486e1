"""PrioritySort: the order of Pods that wait."""

from edged.scheduling.core.cycle import OfflineHandle
from edged.scheduling.core.snapshot import Snapshot
from edged.scheduling.plugins.priority_sort import PrioritySort
from tests.scheduling.makers import pod_info


def test_priority_counts_before_the_time_of_waiting():
    plugin = PrioritySort({}, OfflineHandle(Snapshot()))
    waiting = [("late", 0, 2.0), ("vip", 5, 3.0), ("early", 0, 1.0), ("low", -5, 0.0)]
    keys = {name: plugin.sort_key(pod_info(name, priority=priority), since) for name, priority, since in waiting}
    assert sorted(keys, key=keys.get) == ["vip", "early", "late", "low"]
