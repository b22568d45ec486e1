"""Many objects at once, through a real API server: it asks all policies of each object in parallel, each on a
connection of its own. Every object gets its real verdict."""

from __future__ import annotations

import threading
import time
from typing import Any

from tests.cluster.api import Api, ApiFailure
from tests.cluster.cluster import Cluster
from tests.cluster.edged import create, pod, policy, wait_for
from tests.fire.context import Context
from tests.fire.rows import Expected, Row, Tally

PODS = "/api/v1/namespaces/default/pods?dryRun=All"
DENIED = "is privileged"
CALL_FAILED = "failed calling webhook"
OWN_TIME = "exceeded the allowed execution time"
"""What a policy says of itself whose time is over."""
LATE_S, ANSWER_S = 30.0, 120.0

SOME_LATE = Expected(late=12)
"""Of 10,000 evaluations at once some may take longer than `wall_timeout_s`: each is that policy's own 500, or late."""


def burst(context: Context, tally: Tally, objects: int, policies: int, **admission: Any) -> None:
    """So many Pods in the same moment, for so many policies; every second one is to be denied."""
    configured = [policy(f"p{number}", "pod-privileged") for number in range(policies)]
    with (
        context.cluster() as cluster,
        context.edged(kubeconfig=cluster.kubeconfig, policies=configured, admission=admission or None) as edged,
    ):
        edged.wait_registered()
        wait_for(lambda: DENIED in _denial(cluster), "the API server knows the webhooks")
        time.sleep(1.0)  # each of its watches of webhook objects
        for round_ in range(context.scaled(3, 1)):
            begun = time.monotonic()
            _one_burst(cluster, tally, objects, round_)
            tally.figures[f"round {round_}"] = round(time.monotonic() - begun, 1)
            time.sleep(2.0)


def _one_burst(cluster: Cluster, tally: Tally, objects: int, round_: int) -> None:
    ready = threading.Barrier(objects)

    def one(number: int) -> None:
        api = Api(cluster.url, cluster.token, str(cluster.certificates.authority), timeout_s=ANSWER_S)
        api.get("/readyz")  # connected before all begin
        ready.wait(60)
        _ask(api, tally, pod(f"p{round_}-{number}", privileged=number % 2 == 0), denied=number % 2 == 0)
        api.close()

    threads = [threading.Thread(target=one, args=(number,), daemon=True) for number in range(objects)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(180)
    if alive := sum(thread.is_alive() for thread in threads):
        tally.add_lost(f"{alive} requests without an end")


def _ask(api: Api, tally: Tally, obj: dict[str, Any], *, denied: bool) -> None:
    tally.add_asked()
    begun = time.monotonic()
    try:
        api.create(PODS, obj)
        said = ""
    except ApiFailure as failure:
        said = str(failure)
    except OSError as error:
        tally.add_lost(f"the API server did not answer: {error!r}")
        return
    if CALL_FAILED in said:
        tally.add_lost(said.partition(CALL_FAILED)[2][:200])
    elif OWN_TIME in said:
        tally.add_late(said[:200])
    elif denied is not (DENIED in said) or (said and not denied):
        tally.add_wrong(f"{obj['metadata']['name']}: {said[:300] or 'created'}")
    elif time.monotonic() - begun > LATE_S:
        tally.add_late(f"after {time.monotonic() - begun:.0f} s")


def _denial(cluster: Cluster) -> str:
    return create(cluster.kubectl, pod("probe", privileged=True), "-n", "default", "--dry-run=server").stderr


def pods_180(context: Context, tally: Tally) -> None:
    burst(context, tally, 180, 1)


def policies_10(context: Context, tally: Tally) -> None:
    burst(context, tally, 20, 10)


def policies_50(context: Context, tally: Tally) -> None:
    burst(context, tally, 200, 50, webhook_timeout_s=30)


ROWS = (
    Row("burst-180x1", "180 Pods at once, 1 policy, three times", pods_180, quick=True),
    Row("burst-20x10", "20 Pods at once, 10 policies, three times", policies_10, quick=True),
    Row("burst-200x50", "200 Pods at once, 50 policies, webhook_timeout_s = 30", policies_50, SOME_LATE, timeout_s=900),
)
