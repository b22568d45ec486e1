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
ENDLESS = "the guest used its 1000 ms of CPU time"
WITHOUT = {
    **dict.fromkeys(("image-registries", "required-labels", "unique-ingress-host"), "of a Rego policy"),
    **dict.fromkeys(("host-calls-1m", "log-flood", "memory-copy", "memory-fill"), ENDLESS),
    "table-bomb": "function 2 has table.grow",
}
"""Why these policies have no image. All others have one."""
NOT_LOADED = {
    "big-data", "big-table", "exit-3", "filter-spins", "filter-traps", "guest-error", "metadata-bad", "metadata-wrong",
    "no-guest-call", "no-memory", "only-prescore", "pointers-scheduler", "pointers-wapc", "pointers-wasi",
    "controller-abi-2", "controller-exports", "controller-floods", "controller-log-flood", "controller-wrong-signature",
    "pointers-controller", "score-out-of-range", "score-wrong-type", "scores-not-json", "start-traps", "unknown-import",
    "unknown-wasi", "wasi-endless-output", "wasi-exit-3", "wrong-import-type", "wrong-signature",
}  # fmt: skip
"""Faults that a policy is refused for, and so never asked."""


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


def watch(method, calls, monkeypatch):
    inner = getattr(HostServices, method)

    def watched(self, *call):
        calls.append((method, *call))
        return inner(self, *call)

    monkeypatch.setattr(HostServices, method, watched)


async def compare(rig, name, count, monkeypatch):
    """Ask with and without an image, where there is to be one; else see that the reason is the expected one."""
    policy = rig.admission.policies[name]
    assert policy.error is None
    calls = []
    for method in ("dispatch", "log"):  # not what came of it in our log: of many lines some are dropped
        watch(method, calls, monkeypatch)
    if name in WITHOUT:
        with pytest.raises((NoImage, NotNow), match=WITHOUT[name]):
            await image_of(policy)
        return
    image = await image_of(policy)
    asked = questions(name)
    for _ in range(count):
        question = next(asked)
        seen = []
        for each in (None, image):
            policy.beginning = Beginning(each)
            calls.clear()
            answer = await rig.admission.review(name, question)
            seen.append((answer.allowed, answer.status, answer.patch, answer.warnings, answer.audit_annotations))
            seen[-1] += (*calls,)
        assert seen[0] == seen[1]


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_samples(path, rig, monkeypatch):
    async def main():
        config = PolicyConfig(name=path.stem, module=f"file://{path}", settings=SETTINGS.get(path.stem, {}),
                              allowed_to_mutate=True)
        await rig.load(patient=[config])
        await compare(rig, path.stem, QUESTIONS, monkeypatch)

    trio.run(main)


@pytest.mark.parametrize("path", FAULTS, ids=lambda path: path.stem)
def test_faults(path, rig, monkeypatch):
    async def main():
        await rig.load(rig.wat(path.stem, path.read_text()))
        if path.stem in NOT_LOADED:
            assert rig.admission.policies[path.stem].error is not None
        else:
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
        await compare(rig, name, QUESTIONS if name not in SLOW else 3, monkeypatch)

    trio.run(main)
