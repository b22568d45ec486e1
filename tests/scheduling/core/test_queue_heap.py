"""The heap of queued Pods: an entry counts while its Pod is where the entry says."""

from edged.scheduling.core.queue_heap import QueueHeap
from edged.scheduling.core.queued_pod import QueuedPod
from tests.scheduling.makers import pod_info


def queued(name):
    return QueuedPod(pod_info(name), 0.0)


def test_outdated_entries_are_passed_over():
    pods = {each.pod.uid: each for each in map(queued, "abcd")}
    a, b, c, d = pods.values()
    heap, elsewhere = QueueHeap("active", pods), QueueHeap("backoff", pods)
    for key, each in ((1, a), (2, b), (3, c), (4, d)):
        heap.push(key, each)
    elsewhere.push(0, a)  # it moved
    del pods[b.pod.uid]  # it is gone
    heap.push(9, c)  # its key changed
    assert heap.peek() is d
    assert [heap.pop(), heap.pop(), heap.pop()] == [d, c, None]
    assert elsewhere.pop() is a
