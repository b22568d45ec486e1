"""Objects as nobody means them: very large, very many, and hostile in each of their fields."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from random import Random
from typing import Any

import orjson

from tests import hostile_values
from tests.cluster.api import Api, ApiFailure
from tests.cluster.cluster import Cluster
from tests.cluster.differential import DISABLED_ADMISSION
from tests.cluster.edged import pod, review_of, wait_for
from tests.cluster.scheduling import pod as scheduled_pod
from tests.fire.cases.outages import QUOTA, SCHEDULER
from tests.fire.context import NO_PRIVILEGED, Context
from tests.fire.pods import SPACE, add_nodes, wait_bound, wrong_bindings
from tests.fire.reviews import FAULTS, Question, Reviews, posted, privileged_questions
from tests.fire.rows import Row, Tally
from tests.fire.sampling import resting

UNUSED_S = 600.0


def large_pod(name: str, number: int) -> dict[str, Any]:
    """200 containers with requests and ports, and 255 kB of annotations, which is as much as an API server takes."""
    made = scheduled_pod(name, annotations={f"a{part}": "x" * 25_000 for part in range(10)})
    made["metadata"]["annotations"]["n"] = str(number)
    ports = [[{"containerPort": 80, "protocol": "TCP"}], []]
    resources = {"requests": {"cpu": "1m", "memory": "1Mi"}}
    containers = [
        {"name": f"c{index}", "image": f"registry.example/{index}:1", "ports": ports[index % 2], "resources": resources}
        for index in range(200)
    ]
    made["spec"]["containers"] = containers
    return made


def large(context: Context, tally: Tally) -> None:
    """Reviewed, watched and scheduled, with a policy that lists them."""
    count = context.scaled(100, 20)
    with (
        context.cluster(disable_admission=DISABLED_ADMISSION) as cluster,
        context.edged(kubeconfig=cluster.kubeconfig, policies=[NO_PRIVILEGED, QUOTA], toml=SCHEDULER) as edged,
    ):
        api = cluster.api()
        add_nodes(api, ["room"], pods="200", cpu="100", memory="1000Gi")
        wait_for(lambda: edged.review("quota", pod("x"))["allowed"], "the quota looks at the cluster")
        subjects = [Question("no-privileged", large_pod("x", 0), True), Question("quota", large_pod("x", 0), True)]
        with Reviews(edged, tally, [*privileged_questions(), *subjects], pause_s=0.02, late_s=5.0) as reviews:
            for number in range(count):
                api.create(SPACE, large_pod(f"p{number}", number))
            tally.add_asked(count)
            wait_bound(api, tally, count, seconds=60)
            reviews.more(100)
        for text in wrong_bindings(api, 200):
            tally.add_wrong(text)


def hostile_reviews(context: Context, tally: Tally) -> None:
    """Every field of a review replaced by what nobody should send: an answer each time, and no 5xx."""
    body = orjson.loads(review_of(pod("x", privileged=True)))
    texts = [text for _, text in hostile_values.texts(body, Random(0))]
    texts = texts[:: context.scaled(1, 4)]
    with (
        context.edged() as edged,
        Reviews(edged, tally, privileged_questions(), threads=1, pause_s=0.05, late_s=5.0),
    ):
        connection = edged.connect()
        for text in texts:
            tally.add_asked()
            try:
                posted(connection, "no-privileged", text)
            except ValueError as error:
                if not str(error).startswith("4"):
                    tally.add_wrong(f"{error}: {text[:200]!r}")
                connection.close()
                connection = edged.connect()
            except FAULTS as error:
                tally.add_lost(f"{error!r}: {text[:200]!r}")
                connection.close()
                connection = edged.connect()
        connection.close()


def namespaces(context: Context, tally: Tally) -> None:
    """5,000 made and deleted while policies read them: the verdicts are right, and nothing of them stays."""
    count = context.scaled(5000, 300)
    with (
        context.cluster() as cluster,
        context.edged(kubeconfig=cluster.kubeconfig, policies=[NO_PRIVILEGED, QUOTA]) as edged,
    ):
        wait_for(lambda: edged.review("quota", pod("x"))["allowed"], "the quota looks at the cluster")
        time.sleep(1.0)
        before = edged.sampler.now()
        assert before is not None
        with Reviews(edged, tally, privileged_questions(), threads=2, pause_s=0.02, late_s=2.0):
            _in_threads(cluster, count, _make)
            for number in range(0, count, count // 20):
                subject = pod("another", namespace=f"space-{number}")
                counted = _soon(lambda: not edged.review("quota", subject)["allowed"])  # noqa: B023
                tally.check(counted, f"the quota does not see the Pod in space-{number}")
            _in_threads(cluster, count, _remove)
        subject = pod("another", namespace="space-0")
        tally.check(_soon(lambda: not edged.review("quota", subject)["allowed"]), "a Namespace that is gone is there")
        # What a policy asked for is watched until nobody asked for ten minutes: the short form does not wait for that.
        if not context.quick and (left := resting(edged.sampler, before, seconds=UNUSED_S + 60)):
            tally.add_wrong(f"after the Namespaces had gone: {left}")
        after = edged.sampler.now()
        tally.figures |= {"rss_before": before.rss_mib, "rss_after": after.rss_mib if after else None}
        grown = after is None or after.rss_mib > before.rss_mib + 25
        tally.check(not grown, f"RSS {before.rss_mib} MiB before the Namespaces, {after and after.rss_mib} after them")


def _soon(is_so: Any) -> bool:
    with suppress(AssertionError):
        return bool(wait_for(is_so, "", seconds=20))
    return False


def _make(api: Api, number: int) -> None:
    """A limit of one Pod, and a Pod in every fifth."""
    name = f"space-{number}"
    metadata = {"name": name, "annotations": {"edged.dev/pod-limit": "1"}, "labels": {"number": str(number)}}
    api.create("/api/v1/namespaces", {"metadata": metadata})
    if number % 5 == 0:
        api.create(f"/api/v1/namespaces/{name}/pods", pod("one"))


def _remove(api: Api, number: int) -> None:
    """As the namespace controller does it."""
    name = f"/api/v1/namespaces/space-{number}"
    api.delete(f"{name}/pods", grace_period_s=0)
    found = api.delete(name)
    found["spec"]["finalizers"] = []
    with suppress(ApiFailure):
        api.request("PUT", f"{name}/finalize", found)


def _in_threads(cluster: Cluster, count: int, act: Any) -> None:
    width = 8
    errors: list[Exception] = []

    def some(first: int) -> None:
        api = cluster.api()
        try:
            for number in range(first, count, width):
                act(api, number)
        except Exception as error:
            errors.append(error)
        api.close()

    threads = [threading.Thread(target=some, args=(first,)) for first in range(width)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


ROWS = (
    Row("large-objects", "100 Pods of 200 containers and 255 kB of annotations", large),
    Row("hostile-reviews", "every field of a review replaced by hostile values", hostile_reviews, quick=True),
    Row("namespaces", "5,000 Namespaces made and deleted", namespaces, timeout_s=2000),
)
