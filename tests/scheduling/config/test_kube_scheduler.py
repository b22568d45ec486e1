"""edged takes and refuses the configurations that kube-scheduler does, and makes the same lists of plugins of them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator

import pytest

from edged import json_text, yaml_text
from edged.errors import EdgedError
from edged.scheduling.config.profile_config import SchedulerFile, parse
from edged.scheduling.core.known_plugins import PLUGIN_POINTS, POINT_NAMES
from edged.scheduling.core.point_plan import plan
from tests.cluster.scheduler_reference import Refused, SchedulerReference
from tests.fuzzing import EXAMPLES
from tests.scheduling.config.file_cases import CASES, HEADER, TEXTS
from tests.scheduling.config.variations import document

pytestmark = pytest.mark.toolchains("go")

COUNT = EXAMPLES or 3000
SEED = random.SystemRandom().randrange(1 << 30) if EXAMPLES else 20260101
# TLS files and data: checked where requests are prepared (test_extender_requests.py).
LATER = "couldn't build extenders: "


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SchedulerReference]:
    running = SchedulerReference(tmp_path_factory.mktemp("schedulerread"))
    yield running
    running.close()


def read(text: str) -> SchedulerFile | str:
    try:
        return parse(yaml_text.load_configuration(text))
    except EdgedError as error:
        return str(error)


def lists(file: SchedulerFile) -> dict[str, dict[str, list[tuple[str, int]]]]:
    """Profile, point, plugins with the weights that count."""
    found = {}
    for profile in file.profiles:
        planned = plan(profile, PLUGIN_POINTS)
        found[profile.scheduler_name] = {
            name: [(ref.name, ref.weight if name == "score" else 0) for ref in planned[point]]
            for name, point in POINT_NAMES.items()
        }
    return found


def compared(reference: SchedulerReference, text: str) -> bool:
    """Whether both take it."""
    ours = read(text)
    try:
        theirs = reference.ask("config", text.encode())
    except Refused as refused:
        assert isinstance(ours, str) or str(refused).startswith(LATER), f"taken, but: {refused}\n{text}"
        return False
    assert isinstance(ours, SchedulerFile), f"refused: {ours}\n{text}"
    assert lists(ours) == {
        profile: {point: [(each["Name"], each["Weight"]) for each in refs or ()] for point, refs in points.items()}
        for profile, points in theirs.items()
    }, text
    return True


@pytest.mark.parametrize(("text", "problem"), CASES)
def test_written_files(reference, text, problem):
    assert compared(reference, HEADER + text) == (not problem)


@pytest.mark.parametrize("text", TEXTS)
def test_whole_files(reference, text):
    compared(reference, text)


def test_files_by_chance(reference):
    rng = random.Random(SEED)
    taken = Counter(compared(reference, json_text.dumps(document(rng)).decode()) for _ in range(COUNT))
    assert min(taken[True], taken[False]) > COUNT // 10, taken
