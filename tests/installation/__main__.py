"""A shell on a machine of these tests: `python -m tests.installation [--release bookworm] [--distribution kubeadm]`.

A clean Debian with a cluster, and the source of edged where the pages expect it. All is gone when the shell ends.
`apt-get` and `pip` need the network of the real machine: `online COMMAND` gives it to one command.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from tests.installation.distributions import k3s, kubeadm, running
from tests.installation.following import put_source
from tests.installation.machine import Machine, lacking

DISTRIBUTIONS = {"k3s": k3s, "kubeadm": kubeadm}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.installation")
    parser.add_argument("--release", choices=("trixie", "bookworm"), default="trixie", help="default: trixie")
    parser.add_argument("--distribution", choices=DISTRIBUTIONS, default="k3s", help="default: k3s")
    options = parser.parse_args()
    if why := lacking():
        print(why, file=sys.stderr)
        return 1
    folder = Path(tempfile.mkdtemp(prefix="edged-machine-"))
    try:
        with Machine(options.release, folder / "machine") as machine:
            put_source(machine)
            with running(machine, DISTRIBUTIONS[options.distribution]):
                return machine.shell()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
