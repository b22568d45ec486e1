"""The API server is away or stopped while reviews go on. Afterwards edged sees at once what changed meanwhile."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

from tests.cluster.cluster import Cluster
from tests.cluster.edged import create, pod, policy, wait_for
from tests.cluster.scheduling import node
from tests.cluster.scheduling import pod as scheduled_pod
from tests.fire.context import NO_PRIVILEGED, Context, FireDaemon
from tests.fire.reviews import Reviews, privileged_questions
from tests.fire.rows import Row, Tally

SEEN_S = 10.0
"""Within this time of the API server's first answer edged knows what is new."""
QUOTA = policy(
    "quota",
    "namespace-quota-hint",
    settings={"mode": "deny"},
    context_aware=[{"apiVersion": "v1", "kind": "Namespace"}, {"apiVersion": "v1", "kind": "Pod"}],
    host_capabilities=["kubernetes/get_resource", "kubernetes/list_resources_by_namespace"],
    rules=[],
)
SCHEDULER = '[scheduler]\nnames = ["edged"]\n'
NAMESPACE = "limited"


def away(context: Context, tally: Tally) -> None:
    """Killed, and started again with its data."""
    outage(context, tally, context.scaled(120.0, 20.0), Cluster.stop_apiserver, Cluster.start_apiserver)


def away_long(context: Context, tally: Tally) -> None:
    outage(context, tally, context.scaled(600.0, 60.0), Cluster.stop_apiserver, Cluster.start_apiserver)


def stopped(context: Context, tally: Tally) -> None:
    """Connections stay open, and nobody answers on them."""
    outage(
        context, tally, context.scaled(60.0, 15.0),
        lambda cluster: cluster.signal_apiserver(signal.SIGSTOP),
        lambda cluster: cluster.signal_apiserver(signal.SIGCONT),
    )  # fmt: skip


def outage(
    context: Context, tally: Tally, seconds: float, begin: Callable[[Cluster], object], end: Callable[[Cluster], object]
) -> None:
    """Reviews all the time; what is created after the outage is counted by a policy and gets a node in time."""
    with (
        context.cluster() as cluster,
        context.edged(kubeconfig=cluster.kubeconfig, policies=[NO_PRIVILEGED, QUOTA], toml=SCHEDULER) as edged,
    ):
        namespace = {"name": NAMESPACE, "annotations": {"edged.dev/pod-limit": "1"}}
        create(cluster.kubectl, {"apiVersion": "v1", "kind": "Namespace", "metadata": namespace})
        create(cluster.kubectl, node("room"))
        cluster.kubectl("taint", "node", "--all", "node.kubernetes.io/not-ready-", check=False)
        subject = pod("another", namespace=NAMESPACE)
        wait_for(lambda: edged.review("quota", subject)["allowed"], "the quota looks at the cluster")
        with Reviews(edged, tally, privileged_questions(), pause_s=0.02, late_s=3.0) as reviews:
            reviews.more(50)
            begin(cluster)
            time.sleep(seconds)
            end(cluster)
            wait_for(lambda: create(cluster.kubectl, scheduled_pod("one"), "-n", NAMESPACE).returncode == 0, "a Pod")
            _seen(edged, cluster, tally, time.monotonic())
            reviews.more(50)
        tally.figures["slowest_review_s"] = round(reviews.slowest_s, 2)


def _seen(edged: FireDaemon, cluster: Cluster, tally: Tally, begun: float) -> None:
    """The Pod that is there now is counted, and bound."""

    def counted() -> bool:
        return not edged.review("quota", pod("another", namespace=NAMESPACE))["allowed"]

    def bound() -> bool:
        path = f"/api/v1/namespaces/{NAMESPACE}/pods/one"
        return bool(cluster.api().get(path)["spec"].get("nodeName"))

    for what, is_so in (("the quota counts the new Pod", counted), ("the new Pod has a node", bound)):
        tally.add_asked()
        wait_for(is_so, what, seconds=120)
        took = time.monotonic() - begun
        tally.figures[what] = round(took, 1)
        if took > SEEN_S:
            tally.add_late(f"{what}: after {took:.0f} s")


ROWS = (
    Row("api-server-away", "API server killed for 120 s, reviews go on", away, quick=True),
    Row("api-server-stopped", "API server SIGSTOPped for 60 s, reviews go on", stopped, quick=True),
    Row("api-server-away-long", "API server killed for 10 minutes", away_long, timeout_s=1200),
)
