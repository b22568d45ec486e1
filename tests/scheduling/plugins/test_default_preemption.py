"""DefaultPreemption: its arguments. tests/scheduling/core/test_preemption.py shows what it chooses."""

from __future__ import annotations

import pytest

from edged.scheduling.core.framework import ArgumentError
from edged.scheduling.plugins.default_preemption import DefaultPreemption


@pytest.mark.parametrize(
    ("args", "path"),
    [
        ({"minCandidateNodesPercentage": 101}, "minCandidateNodesPercentage"),
        ({"minCandidateNodesAbsolute": -1}, "minCandidateNodesAbsolute"),
        ({"minCandidateNodesAbsolute": True}, "minCandidateNodesAbsolute"),
        ({"minCandidateNodesPercentage": 0, "minCandidateNodesAbsolute": 0}, "minCandidateNodesPercentage"),
    ],
)
def test_bad_arguments_are_named(args, path):
    with pytest.raises(ArgumentError) as raised:
        DefaultPreemption(args, None)
    assert raised.value.path == path
