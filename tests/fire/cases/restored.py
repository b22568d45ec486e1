"""etcd is restored from a copy while edged is cut off, and the new history is longer than the old one: the revisions
that edged remembers mean something else now."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Callable

from tests.cluster.api import Api
from tests.cluster.differential import DISABLED_ADMISSION
from tests.cluster.edged import pod, wait_for
from tests.cluster.link import Link, linked
from tests.fire.cases.outages import QUOTA, SCHEDULER
from tests.fire.context import NO_PRIVILEGED, Context, FireDaemon
from tests.fire.pods import add_nodes, add_pods, wait_bound, wrong_bindings
from tests.fire.reviews import Reviews, privileged_questions
from tests.fire.rows import Row, Tally

SEEN_S = 45.0
SILENT_S = 130.0
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
Change = Callable[[FireDaemon, Link], None]


def cut_off(context: Context, tally: Tally) -> None:
    """Its connections break, and it cannot make new ones until the restored server runs."""

    def cut(edged: FireDaemon, link: Link) -> None:
        link.cut()

    def join(edged: FireDaemon, link: Link) -> None:
        time.sleep(context.scaled(20.0, 6.0))
        link.join()

    restored(context, tally, cut, join)


def suspended(context: Context, tally: Tally) -> None:
    """It does not run meanwhile, as in a virtual machine that is paused: longer than a healthy watch is silent."""

    def stop(edged: FireDaemon, link: Link) -> None:
        edged.signal(signal.SIGSTOP)

    def go_on(edged: FireDaemon, link: Link) -> None:
        time.sleep(SILENT_S)
        edged.signal(signal.SIGCONT)

    restored(context, tally, stop, go_on)


def restored(context: Context, tally: Tally, cut: Change, join: Change) -> None:
    """Pods of the old history hold every node; in the new one they never were. New ones get the nodes, and a policy
    counts what is there."""
    width = context.scaled(20, 3)
    old, new = [f"old-{number}" for number in range(width)], [f"new-{number}" for number in range(width)]
    with context.cluster(disable_admission=DISABLED_ADMISSION) as cluster:
        api = cluster.api()
        add_nodes(api, [f"node-{number}" for number in range(width)], pods="1")
        metadata = {"name": "limited", "annotations": {"edged.dev/pod-limit": "1"}}
        api.create("/api/v1/namespaces", {"metadata": metadata})
        cluster.kill()
        shutil.copytree(cluster.folder / "etcd", context.folder / "etcd")
        cluster.start()
        policies = [NO_PRIVILEGED, QUOTA]
        with (
            linked(cluster, context.folder) as (link, kubeconfig),
            context.edged(kubeconfig=kubeconfig, policies=policies, toml=SCHEDULER) as edged,
        ):
            api = cluster.api()
            add_pods(api, old)
            tally.add_asked(width)
            wait_bound(api, tally, width, seconds=30)
            api.create("/api/v1/namespaces/limited/pods", pod("counted"))
            subject = pod("another", namespace="limited")
            wait_for(lambda: not edged.review("quota", subject)["allowed"], "the quota counts the Pod")
            revision = _revision(api)
            cut(edged, link)
            cluster.kill()
            shutil.rmtree(cluster.folder / "etcd")
            shutil.copytree(context.folder / "etcd", cluster.folder / "etcd")
            cluster.start()
            api = cluster.api()
            number = 0
            while _revision(api) <= revision + 50:
                api.create(CONFIG_MAPS, {"metadata": {"name": f"passing-{number}"}})
                number += 1
            join(edged, link)
            api = cluster.api()  # the API server closes a connection that is idle for so long
            with Reviews(edged, tally, privileged_questions(), threads=2, pause_s=0.02, late_s=3.0):
                begun = time.monotonic()
                add_pods(api, new)
                tally.add_asked(width)
                wait_bound(api, tally, width, seconds=SEEN_S)
                tally.figures["new Pods bound after"] = round(time.monotonic() - begun, 1)
                tally.add_asked()
                try:
                    wait_for(lambda: edged.review("quota", subject)["allowed"], "the quota forgets", seconds=SEEN_S)
                except AssertionError:
                    tally.add_wrong("the quota counts a Pod of the old history")
        for text in wrong_bindings(api, 1):
            tally.add_wrong(text)


def _revision(api: Api) -> int:
    return int(api.get(f"{CONFIG_MAPS}?limit=1")["metadata"]["resourceVersion"])


ROWS = (
    Row("etcd-restored", "etcd from a copy while edged is cut off; its revisions are passed", cut_off, quick=True),
    Row("etcd-restored-suspended", "the same while edged is suspended", suspended),
)
