"""What Pods share: the parsed spec is one object for Pods that read the same, and only for those."""

import pytest

from edged.scheduling.objects.pods import PodParser, normalized_image_name
from tests.scheduling.makers import pod


def specs_of(*statuses):
    """The parsed spec of like Pods on one node, for each status."""
    parser = PodParser(lambda key: None)
    infos = [parser.parse(pod(f"p{i}", node="n") | {"status": status}) for i, status in enumerate(statuses)]
    return [info.spec for info in infos]


def test_like_pods_share_one_spec_whatever_else_their_status_says():
    one, other = specs_of({"phase": "Running"}, {"phase": "Pending", "conditions": [{"type": "Ready"}]})
    assert one is other


def test_pods_that_run_with_other_resources_have_specs_of_their_own():
    amounts = {"cpu": "3"}
    specs = specs_of(
        {},
        {"conditions": [{"type": "PodResizePending", "reason": "Infeasible"}]},
        {"allocatedResources": amounts},
        {"resources": {"requests": amounts}},
        {"containerStatuses": [{"name": "c", "allocatedResources": amounts}]},
        {"containerStatuses": [{"name": "c", "resources": {"requests": amounts}}]},
    )
    assert len({id(spec) for spec in specs}) == 6


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("app", "app:latest"),
        ("host:5000/app", "host:5000/app:latest"),
        ("app:1", "app:1"),
        ("a@sha256:0", "a@sha256:0"),
    ],
)
def test_image_names(name, expected):
    assert normalized_image_name(name) == expected
