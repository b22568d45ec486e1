"""Manifest files: what is written, what is left alone, and for how long removed policies and CAs stay known."""

from __future__ import annotations

import base64
from dataclasses import replace
from random import Random
from typing import Any

import pytest
import trio

from edged.admission.endpoint import registration as r
from edged.admission.endpoint.static_registration import parse_version
from edged.admission.rules.webhook_check import entry_problem
from edged.admission.rules.webhooks import owner_of
from edged.errors import PeerError
from edged.json_text import JsonError, dumps
from tests import hostile_values
from tests.admission.endpoint.fake_server import OTHER, PEM, PODS, SPEC, TARGET, FakeServer, read, run, static


def test_static_files_are_written_and_kept_right(tmp_path):
    async def main(nursery: trio.Nursery) -> None:
        registration, _ = static(tmp_path / "static", FakeServer())
        nursery.start_soon(registration.run)
        registration.update([SPEC], PEM % b"MQ==")
        await trio.sleep(1)
        path = tmp_path / "static/validating/edged.json"
        obj = read(path)
        assert obj["metadata"]["name"] == "edged.static.k8s.io" and owner_of(obj) == TARGET.owner
        assert list((tmp_path / "static").rglob("*.*")) == [path]
        assert (tmp_path / "static/mutating").is_dir()  # the API server does not start without the folder
        assert path.stat().st_mode & 0o777 == 0o644
        assert registration.state.settled_at == pytest.approx(trio.current_time() + 149, abs=1)
        inode = path.stat().st_ino
        await trio.sleep(300)
        assert path.stat().st_ino == inode  # not written again for nothing
        path.unlink()
        await trio.sleep(11)
        assert read(path) == obj
        registration.update([replace(SPEC, mutating=True)], PEM % b"MQ==")
        await trio.sleep(1)
        assert not path.exists() and (tmp_path / "static/mutating/edged.json").exists()
    run(main)


def test_static_retires_removed_policies_and_cas_for_150_s(tmp_path):
    async def main(nursery: trio.Nursery) -> None:
        one, two = PEM % b"MQ==", PEM % b"Mg=="
        registration, _ = static(tmp_path)
        nursery.start_soon(registration.run)
        registration.update([SPEC, OTHER], one)
        await trio.sleep(1)
        registration.update([SPEC], two)
        await trio.sleep(1)
        path = tmp_path / "validating/edged.json"

        def bundle() -> bytes:
            return base64.b64decode(read(path)["webhooks"][0]["clientConfig"]["caBundle"])

        assert registration.is_retired("b") and bundle() == two + one
        await trio.sleep(140)
        assert registration.is_retired("b") and bundle() == two + one
        await trio.sleep(20)
        assert not registration.is_retired("b") and bundle() == two
        # the same across a restart, from the file
        again, _ = static(tmp_path)
        again.update([OTHER], PEM % b"Mw==")
        await again.settle()
        assert again.is_retired("a") and bundle() == PEM % b"Mw==" + two
    run(main)


def test_static_is_refused_below_1_36_but_not_before_the_api_server_runs(tmp_path):
    async def main(nursery: trio.Nursery) -> None:
        server = FakeServer()
        server.version = {"major": "1", "minor": "35"}
        registration, _ = static(tmp_path, server)
        registration.update([SPEC], b"")
        with pytest.raises(r.Refused, match=r"1\.35"):
            await registration.settle()
        assert not list(tmp_path.iterdir())

        def away(method: str, path: str, body: Any) -> None:
            raise PeerError("no answer")

        server.deny = away
        await registration.settle()
        assert (tmp_path / "validating/edged.json").exists()
    run(main)


@pytest.mark.parametrize(
    "content", [b"{", b"[]", b'{"metadata": {"annotations": {"edged.dev/owner": "edge-2"}}}'])
def test_files_that_are_not_ours_are_left_alone(tmp_path, content):
    async def main(nursery: trio.Nursery) -> None:
        path = tmp_path / "validating/edged.json"
        path.parent.mkdir()
        path.write_bytes(content)
        registration, _ = static(tmp_path)
        registration.update([SPEC], b"")
        with pytest.raises(r.Refused, match=r"edged\.json"):
            await registration.settle()
        with pytest.raises(r.Refused):
            registration.remove()
        assert path.read_bytes() == content
        assert registration.remove(force=True) == [path] and not path.exists()
    run(main)


def test_a_file_of_ours_that_somebody_damaged_is_written_anew(tmp_path):
    async def main(nursery: trio.Nursery) -> None:
        registration, _ = static(tmp_path)
        registration.update([SPEC], b"")
        await registration.settle()
        path = tmp_path / "validating/edged.json"
        good = read(path)
        count = 0
        for _, broken in hostile_values.mutations(good, Random(3), each=3):
            if not isinstance(broken, dict) or owner_of(broken) != TARGET.owner:
                continue
            try:
                path.write_bytes(dumps(broken))
            except JsonError:
                continue
            again, _ = static(tmp_path)
            again.update([SPEC, replace(OTHER, rules=None)], b"")
            await again.settle()
            assert read(path)["webhooks"][:1] == good["webhooks"]
            count += 1
        assert count > 200
    run(main)


def test_what_the_api_server_would_refuse_reaches_no_file(tmp_path):
    """Each spec with one field of its broken in every way: the file holds the other policies, and what of this one is
    right."""
    valid = {
        "rules": [dict(PODS)], "failure_policy": "Fail", "match_policy": "Equivalent", "side_effects": "None",
        "namespace_selector": {"matchLabels": {"a": "b"}}, "webhook_timeout_s": 3,
        "object_selector": {"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]},
        "match_conditions": [{"name": "x", "expression": "true"}], "hook_name": "x.kubewarden.admission",
    }  # fmt: skip

    async def main(nursery: trio.Nursery) -> None:
        refused = 0
        for place, broken in hostile_values.mutations(valid, Random(5), each=6, yaml=True):
            if not isinstance(broken, dict) or not broken.keys() <= valid.keys():
                continue
            registration, said = static(tmp_path)
            registration.update([OTHER, replace(SPEC, **broken)], b"")
            await registration.settle()
            hooks = {hook["name"]: hook for hook in read(tmp_path / "validating/edged.json")["webhooks"]}
            assert "b.policy.edged.dev" in hooks, place
            assert all(entry_problem(hook, mutating=False) == "" for hook in hooks.values()), place
            refused += SPEC.name in said[-1].problems
        assert refused > 150
    run(main)


def test_static_remove(tmp_path):
    async def main(nursery: trio.Nursery) -> None:
        registration, _ = static(tmp_path)
        registration.update([SPEC], b"")
        await registration.settle()
        assert registration.remove() == [tmp_path / "validating/edged.json"]
        assert registration.remove() == []
    run(main)


def test_an_unwritable_directory_is_an_error_not_the_end(tmp_path):
    async def main(nursery: trio.Nursery) -> None:
        (tmp_path / "file").write_text("")
        registration, said = static(tmp_path / "file")
        nursery.start_soon(registration.run)
        registration.update([SPEC], b"")
        await trio.sleep(100)
        assert said and said[-1].phase in ("failing", "refused") and "file" in said[-1].message
    run(main)


def test_versions():
    assert parse_version({"major": "1", "minor": "36+"}) == (1, 36)
    with pytest.raises(PeerError):
        parse_version({})
