"""Deferred modules, each time in a process of its own: what is imported here counts for all tests."""

import subprocess
import sys


def run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_a_module_is_imported_when_it_is_used():
    said = run(
        "from edged.process.deferred import defer\n"
        "defer('asyncio', 'asyncio.subprocess', 'yaml')\n"
        "import sys, asyncio.subprocess, asyncio, yaml\n"
        "print('asyncio.events' in sys.modules, 'yaml.loader' in sys.modules)\n"
        "print(yaml.safe_load('[1, 2]') == [1, 2], 'asyncio.events' in sys.modules)\n"
        "print(asyncio.subprocess.PIPE, asyncio.run.__name__)\n"
        "import asyncio.subprocess as real\n"
        "print(type(real).__name__, type(sys.modules['asyncio']).__name__)\n"
    )
    assert said == ["False", "False", "True", "False", "-1", "run", "module", "module"]


def test_a_name_that_is_not_there_is_the_usual_error():
    said = run(
        "from edged.process.deferred import defer\n"
        "defer('yaml', 'json')\n"
        "import yaml, json\n"
        "print(hasattr(yaml, 'nothing'), hasattr(json, 'loads'))\n"
    )
    assert said == ["False", "True"]


def test_the_daemon_starts_without_them():
    said = run(
        "from edged.process.deferred import defer\n"
        "from edged.cli.run import DEFERRED\n"
        "defer(*DEFERRED)\n"
        "import sys, edged.daemon.daemon\n"
        "print(*(name in sys.modules for name in ('asyncio.events', 'yaml.loader')))\n"
    )
    assert said == ["False", "False"]
