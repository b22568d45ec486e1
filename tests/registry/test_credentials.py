"""Docker's config.json: what is found, and that trouble means anonymous."""

import base64
import json
import os
from pathlib import Path

import pytest
import trio

from edged.registry.credentials import Login, find, folder_of


def auth(text):
    return base64.b64encode(text.encode()).decode()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    return tmp_path


def write(folder, document):
    (folder / "config.json").write_text(json.dumps(document) if not isinstance(document, str) else document)


def helper(folder, name, script):
    path = folder / "bin" / f"docker-credential-{name}"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def ask(folder, host):
    return trio.run(find, folder, host)


def test_auths(folder):
    write(folder, {"auths": {
        "h:5000": {"auth": auth("u:p:q")},
        "plain": {"username": "a", "password": "b"},
        "https://index.docker.io/v1/": {"auth": auth("hub:x")},
    }})  # fmt: skip
    assert ask(folder, "h:5000") == (Login("u", "p:q"), "")
    assert ask(folder, "plain") == (Login("a", "b"), "")
    assert ask(folder, "docker.io") == (Login("hub", "x"), "")
    assert ask(folder, "h") == (None, "")


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ("{", "config.json"),
        ("[]", "not an object"),
        ({"auths": {"h": {"auth": "%%%"}}}, "not the base64"),
        ({"auths": {"h": {"auth": auth("nocolon")}}}, "colon"),
        ({"auths": {"h": {"identitytoken": "t"}}}, "identity tokens"),
        ({"credsStore": "absent"}, "docker-credential-absent"),
        ({"credsStore": "../evil"}, "not the name of a program"),
        ({"credHelpers": {"h": "fails"}}, "not found there"),
        ({"credHelpers": {"h": "token"}}, "identity tokens"),
    ],
)
def test_trouble_means_anonymous_and_says_why(folder, document, said):
    write(folder, document)
    helper(folder, "fails", "echo not found there; exit 1")
    helper(folder, "token", 'echo \'{"Username":"<token>","Secret":"x"}\'')
    login, warning = ask(folder, "h")
    assert login is None and said in warning


def test_a_fifo_is_not_waited_for(folder):
    os.mkfifo(folder / "config.json")
    login, warning = ask(folder, "h")
    assert login is None and "config.json" in warning and "not a regular file" in warning


def test_helpers(folder):
    write(folder, {"auths": {"h": {"auth": auth("a:b")}}, "credHelpers": {"h": "one"}, "credsStore": "all"})
    helper(folder, "one", 'read host; echo "{\\"Username\\":\\"one\\",\\"Secret\\":\\"$host\\"}"')
    helper(folder, "all", 'read host; echo "{\\"Username\\":\\"all\\",\\"Secret\\":\\"$host\\"}"')
    assert ask(folder, "h") == (Login("one", "h"), "")
    assert ask(folder, "other:1") == (Login("all", "other:1"), "")


def test_where_it_is_looked_for():
    assert folder_of("/etc/docker", {"DOCKER_CONFIG": "/x", "HOME": "/h"}) == Path("/etc/docker")
    assert folder_of("", {"DOCKER_CONFIG": "/x", "HOME": "/h"}) == Path("/x")
    assert folder_of("", {"HOME": "/h"}) == Path("/h/.docker")


def test_no_file_at_all(tmp_path):
    assert ask(tmp_path, "h") == (None, "")
