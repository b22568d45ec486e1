"""The same steps on the sandbox and on the real kube-apiserver have the same answers, or a reason is given."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.beside.comparison import compare
from tests.cluster.beside.left_out import DIFFERS, REASONS
from tests.cluster.beside.playing import Player
from tests.cluster.beside.steps import Story
from tests.cluster.beside.stories import stories
from tests.cluster.cluster import Cluster, Sandbox

ALL = stories()


@pytest.fixture(scope="module")
def with_controllers(kube_programs: dict[str, Path]) -> Iterator[Cluster]:
    with Cluster(controllers=True, disable_admission=()) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def suffix() -> str:
    return secrets.token_hex(3)


@pytest.fixture(scope="module")
def sandbox(kube_programs: dict[str, Path]) -> Iterator[Sandbox]:
    """One of its own: other tests leave objects behind."""
    with Sandbox(sys.executable, kube_programs["kubectl"]) as server:
        yield server


@pytest.fixture(scope="module")
def guarded_sandbox(kube_programs: dict[str, Path]) -> Iterator[Sandbox]:
    with Sandbox(sys.executable, kube_programs["kubectl"], arguments=("--rbac",)) as server:
        yield server


@pytest.fixture(scope="module")
def real(kube_programs: dict[str, Path]) -> Iterator[Cluster]:
    with Cluster() as cluster:
        yield cluster


@pytest.mark.parametrize("story", [s for s in ALL if not (s.controllers or s.rbac)], ids=lambda story: story.name)
def test_beside_the_api_server(story: Story, sandbox: Sandbox, real: Cluster, suffix: str) -> None:
    results = compare(story, Player(sandbox, suffix), Player(real, suffix))
    assert [each.fault for each in results if each.fault] == []


@pytest.mark.parametrize("story", [s for s in ALL if s.rbac], ids=lambda story: story.name)
def test_rights_beside_the_api_server(story: Story, guarded_sandbox: Sandbox, real: Cluster, suffix: str) -> None:
    results = compare(story, Player(guarded_sandbox, suffix), Player(real, suffix))
    assert [each.fault for each in results if each.fault] == []


@pytest.mark.parametrize("story", [s for s in ALL if s.controllers], ids=lambda story: story.name)
def test_beside_api_server_and_controllers(
    story: Story, sandbox: Sandbox, with_controllers: Cluster, suffix: str
) -> None:
    results = compare(story, Player(sandbox, suffix), Player(with_controllers, suffix))
    assert [each.fault for each in results if each.fault] == []


def test_every_reason_is_there_and_needed() -> None:
    used = {step.left_out for story in ALL for step in story.steps if step.left_out}
    used |= {key for numbers in DIFFERS.values() for key in numbers.values()}
    assert used == set(REASONS)


def test_every_story_has_a_name_of_its_own() -> None:
    names = [story.name for story in ALL]
    assert sorted(set(names)) == sorted(names)
