"""Updates of Pods as the cluster events that they mean."""

from edged.scheduling.core.cluster_events import Action
from edged.scheduling.core.queue_events import pod_update_events
from edged.scheduling.objects.pods import PodParser
from tests.scheduling.makers import pod, pod_info


def test_update_events():
    def actions(old, new):
        return [event.action for event in pod_update_events(old, new)]

    big, small = pod_info(requests={"cpu": "2"}), pod_info(requests={"cpu": "1"}, labels={"a": "b"})
    assert actions(big, small) == [Action.UPDATE_POD_LABEL, Action.UPDATE_POD_SCALE_DOWN]
    assert actions(big, pod_info(requests={"cpu": "2"}, priority=1)) == [Action.UPDATE_POD_OTHER]
    assert actions(big, big) == []


def test_a_waiting_pod_that_changes_in_its_annotations_alone_tells_of_a_generic_update():
    parser = PodParser(lambda key: None)
    plain, annotated = pod("p"), pod("p")
    annotated["metadata"]["annotations"] = {"a": "b"}
    before, after = parser.parse(plain), parser.parse(annotated)
    assert [event.action for event in pod_update_events(before, after)] == [Action.UPDATE_POD_OTHER]
    assert pod_update_events(after, parser.parse(annotated)) == []
    patched = parser.parse(plain | {"status": {"conditions": [{"type": "PodScheduled", "status": "False"}]}})
    assert pod_update_events(before, patched) == []


def test_a_running_pod_that_begins_to_end_tells_of_a_generic_update():
    parser = PodParser(lambda key: None)
    running = pod("p", node="n")
    ending = running | {"metadata": running["metadata"] | {"deletionTimestamp": "2026-01-01T00:00:00Z"}}
    before, after = parser.parse(running), parser.parse(ending)
    assert [event.action for event in pod_update_events(before, after)] == [Action.UPDATE_POD_OTHER]
    assert pod_update_events(after, parser.parse(ending)) == []
