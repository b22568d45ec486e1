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
        "from edged.process.deferred import defer_package\n"
        "from edged.cli.run import DEFERRED, DEFERRED_PACKAGE\n"
        "defer(*DEFERRED)\n"
        "defer_package(DEFERRED_PACKAGE)\n"
        "import sys, edged.daemon.daemon\n"
        "print(*sys.modules)\n"
    )
    assert "lightkube.config.kubeconfig" in said
    assert not {"asyncio.events", "yaml.loader", "lightkube.core.client", "lightkube.models.core_v1"} & set(said)


def test_of_a_package_only_what_is_asked_for_is_imported():
    said = run(
        "from edged.process.deferred import defer, defer_package\n"
        "defer('lightkube.core.exceptions')\n"
        "defer_package('lightkube')\n"
        "import sys\n"
        "from lightkube.config import kubeconfig\n"
        "print('lightkube.core.client' in sys.modules)\n"
        "try: kubeconfig.KubeConfig.from_dict({'clusters': [], 'contexts': [], 'users': []}, fname='f').get('gone')\n"
        "except kubeconfig.exceptions.ConfigError as error: print(type(error).__name__)\n"
        "import lightkube\n"
        "print(lightkube.Client.__name__, lightkube.KubeConfig is kubeconfig.KubeConfig)\n"
    )
    assert said == ["False", "ConfigError", "Client", "True"]


def test_a_package_that_is_not_there_is_the_usual_error():
    said = run(
        "from edged.process.deferred import defer_package\n"
        "defer_package('no_such_package')\n"
        "try: import no_such_package.part\n"
        "except ModuleNotFoundError as error: print(error.name)\n"
    )
    assert said == ["no_such_package"]
