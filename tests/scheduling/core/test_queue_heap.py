"""The heap of queued Pods: an entry counts while its Pod is where the entry says."""

from edged.scheduling.core.queue_heap import QueueHeap
from edged.scheduling.core.queued_pod import QueuedPod
from tests.scheduling.makers import pod_info


def queued(name, scheduler="edged"):
    return QueuedPod(pod_info(name, scheduler=scheduler), 0.0)


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


def test_profiles_are_one_order_unless_they_are_ranked_or_left_out():
    pods = {each.pod.uid: each for each in (queued("a", "one"), queued("b", "two"), queued("c", "one"))}
    a, b, c = pods.values()

    def popped(rank=lambda profile: 0.0):
        heap = QueueHeap("active", pods)
        for key, each in ((1, a), (1, b), (0, c)):
            heap.push(key, each)
        return [heap.pop(rank) for _ in range(3)]

    assert popped() == [c, a, b], "equal keys: the one that came first"
    assert popped({"one": 7.0, "two": 0.0}.get) == [b, c, a]
    assert popped({"one": 7.0, "two": 8.0}.get) == [c, a, b]
    assert popped({"two": 0.0}.get) == [b, None, None]
