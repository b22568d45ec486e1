"""What a Pod asks for: init containers, sidecars, overhead, Pod-level amounts, resized Pods."""

from edged.scheduling.objects.resource_amounts import allocatable, assumed_requests, requests, scored_requests

MIB = 1024 * 1024


def container(name="c", restart=None, **amounts):
    made = {"name": name, "resources": {"requests": amounts}}
    return {**made, "restartPolicy": restart} if restart else made


def test_containers_are_summed_before_rounding():
    spec = {"containers": [container(cpu="0.5m", memory="100m"), container(cpu="0.5m", memory="100m")]}
    assert requests(spec) == {"cpu": 1, "memory": 1}


def test_the_largest_init_container_counts_when_it_exceeds_the_sum():
    spec = {"containers": [container(cpu="1")], "initContainers": [container(cpu="3"), container(cpu="2")]}
    assert requests(spec) == {"cpu": 3000}


def test_sidecars_add_to_containers_and_to_later_init_containers():
    spec = {
        "containers": [container(cpu="1")],
        "initContainers": [
            container(cpu="5"),
            container(cpu="2", restart="Always"),
            container(cpu="4"),
        ],
    }
    assert requests(spec) == {"cpu": 6000}


def test_pod_level_amounts_replace_and_overhead_is_added():
    spec = {
        "containers": [container(cpu="1", memory="1Mi", **{"example.com/x": "2"})],
        "resources": {"requests": {"cpu": "3", "example.com/x": "9"}},
        "overhead": {"cpu": "100m"},
    }
    assert requests(spec) == {"cpu": 3100, "memory": MIB, "example.com/x": 2}
    assert scored_requests(spec) == {"cpu": 1100, "memory": MIB, "example.com/x": 2}


def test_scoring_assumes_amounts_for_containers_that_do_not_say():
    spec = {"containers": [container(), container(cpu="0")], "initContainers": [container(memory="1Gi")]}
    assert requests(spec) == {"memory": 1024 * MIB, "cpu": 0}
    assert scored_requests(spec) == {"cpu": 100, "memory": 1024 * MIB}
    assert assumed_requests(spec) == (100, 1024 * MIB)


def test_pod_level_amounts_leave_only_missing_resources_to_be_assumed():
    spec = {"containers": [container()], "resources": {"requests": {"cpu": "2"}}}
    assert assumed_requests(spec) == (2000, 200 * MIB)
    assert assumed_requests({"containers": [container()]}) == (100, 200 * MIB)


def test_a_resized_pod_counts_its_largest_sum_per_resource():
    spec = {"containers": [container("a", cpu="1", memory="1Mi"), container("b", cpu="1")]}
    status = {
        "containerStatuses": [
            {
                "name": "a",
                "allocatedResources": {"cpu": "3", "memory": "1Mi"},
                "resources": {"requests": {"cpu": "2"}},
            },
        ]
    }
    assert requests(spec, status) == {"cpu": 4000, "memory": MIB}


def test_an_infeasible_resize_does_not_count_the_spec():
    spec = {"containers": [container("a", cpu="9")]}
    status = {
        "conditions": [{"type": "PodResizePending", "reason": "Infeasible"}],
        "containerStatuses": [{"name": "a", "allocatedResources": {"cpu": "1"}}],
    }
    assert requests(spec, status) == {"cpu": 1000}


def test_an_infeasible_resize_counts_nothing_of_containers_whose_status_is_unknown():
    spec = {"containers": [container("a", cpu="9")]}
    status = {"conditions": [{"type": "PodResizePending", "reason": "Infeasible"}]}
    assert requests(spec, status) == {}
    assert assumed_requests(spec, status) == (100, 200 * MIB)


def test_the_first_pending_resize_decides():
    spec = {"containers": [container("a", cpu="9")]}
    conditions = [{"type": "PodResizePending", "reason": r} for r in ("Deferred", "Infeasible")]
    assert requests(spec, {"conditions": conditions}) == {"cpu": 9000}
    assert requests(spec, {"conditions": conditions[::-1]}) == {}


def test_totals_of_the_status_replace_those_of_its_containers():
    spec = {"containers": [container("a", cpu="1", memory="4Mi")]}
    status = {
        "containerStatuses": [{"name": "a", "allocatedResources": {"cpu": "8", "memory": "8Mi"}}],
        "allocatedResources": {"cpu": "2", "memory": "1Mi"},
        "resources": {"requests": {"cpu": "3", "memory": "2Mi"}},
    }
    assert requests(spec, status) == {"cpu": 3000, "memory": 4 * MIB}
    del status["resources"]
    assert requests(spec, status) == {"cpu": 8000, "memory": 8 * MIB}


def test_requests_of_the_pod_are_the_largest_of_spec_and_status():
    spec = {"containers": [container()], "resources": {"requests": {"cpu": "2", "memory": "1Mi"}}}
    status = {
        "allocatedResources": {"cpu": "1", "memory": "2Mi", "example.com/x": "7"},
        "resources": {"requests": {"cpu": "1", "memory": "3Mi"}},
    }
    assert requests(spec, status) == {"cpu": 2000, "memory": 3 * MIB, "example.com/x": 7}
    infeasible = {"conditions": [{"type": "PodResizePending", "reason": "Infeasible"}]}
    assert requests(spec, status | infeasible)["cpu"] == 1000


def test_unknown_resource_names_are_dropped():
    assert allocatable({"cpu": "1", "storage": "5", "hugepages-2Mi": "4Mi", "pods": "10"}) == {
        "cpu": 1000,
        "hugepages-2Mi": 4 * MIB,
        "pods": 10,
    }
