"""Command line: plays stories on a sandbox and on a real kube-apiserver and prints every difference.

    python -m tests.cluster.beside [--serve | --real KUBECONFIG] [--show] [STORY ...]

--serve starts a real API server, prints its kubeconfig and stays until it is interrupted: with --real, runs need not
start one each time. A sandbox is started for each run, so it is the code of now. EXIT: 1 if anything differs.
"""

from __future__ import annotations

import argparse
import secrets
import signal
import sys
import time
from pathlib import Path

import orjson

from tests.cluster.beside.comparison import Compared, compare
from tests.cluster.beside.left_out import REASONS
from tests.cluster.beside.playing import Player
from tests.cluster.beside.steps import Story
from tests.cluster.beside.stories import stories
from tests.cluster.build import programs
from tests.cluster.cluster import Cluster, Kubectl, Sandbox
from tests.cluster.raw import Running


class Served:
    """A real API server that another process started."""

    def __init__(self, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig
        self.kubectl = Kubectl(programs(("kubectl",))["kubectl"], kubeconfig, kubeconfig.parent)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster.beside", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--serve", action="store_true", help="start a real API server and stay")
    parser.add_argument("--controllers", action="store_true", help="--serve: with kube-controller-manager")
    parser.add_argument("--real", type=Path, help="kubeconfig of a running one")
    parser.add_argument("--show", action="store_true", help="print what the real one answered, too")
    parser.add_argument("story", nargs="*", help="names, or how they begin")
    args = parser.parse_args()
    if args.serve:
        with Cluster(controllers=args.controllers) as cluster:
            print(cluster.kubeconfig, flush=True)
            signal.pause()
    results = _play(args.story, args.real)
    for each in results:
        if args.show:
            print(f"{each.story} {each.number}: {each.step}\n    real: {orjson.dumps(each.real).decode()}")
        if each.fault:
            print(each.fault)
    left_out = sum(not each.equal and each.left_out in REASONS for each in results)
    wrong = sum(bool(each.fault) for each in results)
    print(f"{len(results)} steps: {sum(each.equal for each in results)} equal, {left_out} left out, {wrong} wrong")
    return 1 if wrong else 0


def _play(names: list[str], kubeconfig: Path | None) -> list[Compared]:
    chosen = [s for s in stories() if not names or any(s.name.startswith(name) for name in names)]
    suffix = secrets.token_hex(3)
    results: list[Compared] = []
    for controllers, rbac in ((False, False), (False, True), (True, False)):
        part = [s for s in chosen if (s.controllers, s.rbac) == (controllers, rbac)]
        if not part:
            continue
        if kubeconfig is not None:
            results += _both(part, Served(kubeconfig), suffix, rbac)
        else:
            with Cluster(controllers=controllers, disable_admission=() if controllers else ("ServiceAccount",)) as real:
                results += _both(part, real, suffix, rbac)
    return results


def _both(chosen: list[Story], real: Running, suffix: str, rbac: bool) -> list[Compared]:
    arguments = ("--rbac",) if rbac else ()
    with Sandbox(sys.executable, programs(("kubectl",))["kubectl"], arguments=arguments) as sandbox:
        ours, theirs = Player(sandbox, suffix), Player(real, suffix)
        results: list[Compared] = []
        for story in chosen:
            began = time.monotonic()
            found = compare(story, ours, theirs)
            wrong = sum(bool(each.fault) for each in found)
            spent = time.monotonic() - began
            print(f"{spent:5.1f} s {len(found):4} steps {wrong:4} wrong  {story.name}", file=sys.stderr, flush=True)
            results += found
        return results


if __name__ == "__main__":
    sys.exit(main())
