"""Containers together, sidecars, and the peak of init containers."""

from __future__ import annotations

from typing import Any

from edged.kube.values.container_amounts import sum_of_containers


def total(spec: Any) -> dict[str, int]:
    return sum_of_containers(spec, lambda container: {"cpu": int(container["name"])})


def test_the_larger_of_containers_and_of_the_peak_before_them() -> None:
    assert total({"containers": [{"name": "1"}, {"name": "2"}]}) == {"cpu": 3}
    assert total({"containers": [{"name": "1"}], "initContainers": [{"name": "4"}, {"name": "2"}]}) == {"cpu": 4}


def test_sidecars_count_beside_containers_and_beside_later_init_containers() -> None:
    inits = [{"name": "9"}, {"name": "3", "restartPolicy": "Always"}, {"name": "7"}]
    assert total({"containers": [{"name": "1"}], "initContainers": inits}) == {"cpu": 10}
    assert total({"containers": [{"name": "8"}], "initContainers": inits}) == {"cpu": 11}
