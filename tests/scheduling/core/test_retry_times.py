"""How long a failed Pod waits: doubling to a limit, in whole seconds, and errors before rejections."""

import pytest

from edged.scheduling.core.queued_pod import QueuedPod
from edged.scheduling.core.retry_times import RetryTimes
from tests.scheduling.makers import pod_info


def queued(**counts):
    made = QueuedPod(pod_info(), 100.7)
    for name, value in counts.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize(("count", "end"), [(1, 101), (2, 102), (3, 104), (4, 108), (5, 110), (1000, 110)])
@pytest.mark.parametrize("counter", ["unschedulable_count", "consecutive_errors"])
def test_the_wait_doubles_to_its_limit(counter, count, end):
    assert RetryTimes().backoff_end(queued(**{counter: count})) == end


def test_errors_count_before_rejections():
    assert RetryTimes().backoff_end(queued(consecutive_errors=1, unschedulable_count=4)) == 101


def test_a_pod_that_never_failed_does_not_wait():
    assert RetryTimes().backoff_end(queued()) == 100.7
    assert RetryTimes(max_backoff_s=0).backoff_end(queued(consecutive_errors=3)) == 100.7


def test_a_second_that_has_begun_counts_as_over():
    failed = queued(consecutive_errors=1)
    assert not RetryTimes().backoff_is_over(failed, 100.99)
    assert RetryTimes().backoff_is_over(failed, 101.0)
