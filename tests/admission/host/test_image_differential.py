"""Every policy that may begin from an image answers as it does without: verdict, message, patch, host calls, log.

EDGED_IMAGES=10000 asks so many questions of each (.ci/long does).
"""

import os
from pathlib import Path
from random import Random

import pytest
import trio

from edged.admission.config import PolicyConfig
from edged.admission.host.context import HostServices
from edged.admission.host.image_trials import NoImage, NotNow, Trials
from edged.admission.host.policy import Beginning
from edged.admission.host.preinitialization import image_of
from tests.admission.host.support import MODULES, Rig, request
from tests.guests.rust import build

QUESTIONS = int(os.environ.get("EDGED_IMAGES", "0")) or 60
SETTINGS = {
    "resource-defaults": {"requests": {"cpu": "100m"}, "limits": {"memory": "64Mi"}},
    "image-registries": {"registries": ["registry.example.com"]},
    "required-labels": {"labels": ["app"]},
    "context": {"question": "list_pods"},
    "raw": {"valid_users": ["a"]},
}
SAMPLES = sorted(path for path in MODULES.glob("admission/*/*.wasm") if path.stem != "endless")
NEVER_END = {"spin", "start-spins", "init-spins", "sleep-10s"}  # and have no answer that could be compared
FAULTS = sorted(set(MODULES.glob("faults/*.wat")) - {MODULES / "faults" / f"{name}.wat" for name in NEVER_END})
SLOW = {"hog", "patterns"}  # of which few questions say all


@pytest.fixture
def rig(tmp_path, monkeypatch):
    async def cost(_trials, image):  # an image is used wherever it is safe, not only where it pays
        return 1.0 if image is None else 0.1

    monkeypatch.setattr(Trials, "_cost", cost)
    rig = Rig(tmp_path)
    yield rig
    rig.close()


def questions(seed):
    random = Random(seed)
    while True:
        container = {"name": "a", "image": random.choice(["a", "registry.example.com/a:1", "b@sha256:0", "ü"])}
        if random.random() < 0.5:
            container["securityContext"] = {"privileged": random.choice([True, False, None])}
        if random.random() < 0.3:
            container["resources"] = {"requests": {"cpu": "1"}, "limits": {}}
        metadata = {"name": random.choice(["p", "forbidden-7-x", "x" * random.randrange(1, 300)]), "namespace": "n"}
        if random.random() < 0.5:
            metadata["labels"] = {random.choice("ab"): "1", "app": random.choice(["", "x"])}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {}}
        pod["spec"]["containers"] = [container] * random.randrange(4)
        yield request(pod, operation=random.choice(["CREATE", "UPDATE"]))


async def compare(rig, name, count, monkeypatch):
    """Whether there was an image to compare with."""
    policy = rig.admission.policies[name]
    if policy.error is not None:
        return False
    calls = []
    dispatch = HostServices.dispatch

    def watched(self, *call):
        calls.append(call)
        return dispatch(self, *call)

    monkeypatch.setattr(HostServices, "dispatch", watched)
    try:
        image = await image_of(policy)
    except (NoImage, NotNow) as error:
        assert str(error)
        return False
    asked = questions(name)
    for _ in range(count):
        question = next(asked)
        seen = []
        for each in (None, image):
            policy.beginning = Beginning(each)
            calls.clear()
            rig.said.clear()
            answer = await rig.admission.review(name, question)
            lines = [line for line in rig.said if "msg=review" not in line]
            said = [line.partition("elapsed")[0].partition("level=")[2] for line in lines]
            seen.append((answer.allowed, answer.status, answer.patch, answer.warnings, answer.audit_annotations))
            seen[-1] += ([*calls], said)
        assert seen[0] == seen[1]
    return True


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_samples(path, rig, monkeypatch):
    async def main():
        config = PolicyConfig(name=path.stem, module=f"file://{path}", settings=SETTINGS.get(path.stem, {}),
                              allowed_to_mutate=True)
        await rig.load(patient=[config])
        assert rig.admission.policies[path.stem].error is None
        await compare(rig, path.stem, QUESTIONS, monkeypatch)

    trio.run(main)


@pytest.mark.parametrize("path", FAULTS, ids=lambda path: path.stem)
def test_faults(path, rig, monkeypatch):
    async def main():
        await rig.load(rig.wat(path.stem, path.read_text()))
        await compare(rig, path.stem, 3, monkeypatch)

    trio.run(main)


@pytest.mark.toolchains("rust")
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", sorted({*build.POLICIES} - {"endless"}))
def test_rust_policies(name, rig, monkeypatch):
    async def main():
        path = Path(build.required([name])[name])
        settings = SETTINGS.get(name, {})
        config = PolicyConfig(name=name, module=f"file://{path}", settings=settings, allowed_to_mutate=True)
        await rig.load(patient=[config])
        assert rig.admission.policies[name].error is None
        assert await compare(rig, name, QUESTIONS if name not in SLOW else 3, monkeypatch)

    trio.run(main)
