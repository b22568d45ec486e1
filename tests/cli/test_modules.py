"""`edged policy` and `edged module` with a real registry: publish, fetch, carry, list, remove."""

import hashlib
import io
import json
import tarfile
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from edged.cli.main import main
from edged.wasm import binary, bindings
from edged.wasm.compile import METADATA_SECTION
from tests.registry.real import RealRegistry

PLAIN = bindings.wat2wasm("(module)")
METADATA = {
    "protocolVersion": "v1",
    "rules": [],
    "mutating": True,
    "contextAwareResources": [{"apiVersion": "v1", "kind": "Namespace"}],
    "annotations": {"io.kubewarden.policy.title": "a title", "io.kubewarden.policy.usage": "two\nlines"},
}
POLICY = binary.append_custom_section(PLAIN, METADATA_SECTION, json.dumps(METADATA).encode())
SHA = hashlib.sha256(POLICY).hexdigest()


@pytest.fixture(scope="module")
def registry(registry_program, tmp_path_factory):
    with RealRegistry(tmp_path_factory.mktemp("registry"), "password") as registry:
        yield registry


class Shell:
    """Runs commands with a store of their own."""

    def __init__(self, registry: RealRegistry, folder) -> None:
        self.registry = registry
        self.folder = folder
        self.store = folder / "store"
        self.policy = folder / "policy.wasm"
        self.policy.write_bytes(POLICY)
        self.plain = folder / "plain.wasm"
        self.plain.write_bytes(PLAIN)
        self.network = ["--sources-path", registry.sources(), "--docker-config-json-path", registry.docker_config()]

    def url(self, name: str) -> str:
        return f"registry://{self.registry.host}/{name}"

    def run(self, *words: str, store=None, network: bool = False) -> tuple[int, str, str]:
        """(exit code, stdout, stderr)."""
        out, err = io.StringIO(), io.StringIO()
        more = [*(self.network if network else ()), "--store", str(store or self.store)]
        with redirect_stdout(out), redirect_stderr(err):
            code = main([*words, *more])
        return code, out.getvalue(), err.getvalue()

    def good(self, *words: str, **options) -> str:
        code, out, err = self.run(*words, **options)
        assert code == 0, err
        return out.strip()


@pytest.fixture
def shell(registry, tmp_path):
    return Shell(registry, tmp_path)


def test_a_policys_way(shell):
    """Published, asked for its digest, fetched, listed, carried elsewhere, removed."""
    url = shell.url("team/policy:v1")
    pinned = shell.good("policy", "push", str(shell.policy), url, network=True)
    assert pinned == shell.good("policy", "digest", url, network=True)
    path = shell.good("policy", "pull", url, network=True)
    assert path == str(shell.store / "registry" / shell.registry.host / "team" / "policy:v1")
    assert Path(path).read_bytes() == POLICY
    shell.good("policy", "pull", pinned.removeprefix("registry://"), network=True)
    (first, second) = json.loads(shell.good("policy", "list", "-o", "json"))
    assert first == {
        "uri": url, "sha256": SHA, "size": len(POLICY), "path": path, "mutating": True, "contextAware": True,
    }  # fmt: skip
    assert second["uri"] == pinned
    assert shell.good("policy", "rm", url) == f"removed {url}"
    assert shell.good("policy", "rm", SHA[:8]) == f"removed {pinned}"
    assert shell.good("policy", "list").splitlines() == ["POLICY   MUTATING   CONTEXT AWARE   SHA-256   SIZE"]


def test_lists_for_people(shell):
    shell.good("policy", "push", str(shell.policy), shell.url("team/listed:v1"), network=True)
    shell.good("module", "pull", shell.url("team/listed:v1"), network=True)
    assert shell.good("policy", "list").splitlines()[1].split() == [
        shell.url("team/listed:v1"), "yes", "yes", SHA[:12], "0.3", "kB",
    ]  # fmt: skip
    assert shell.good("module", "list").splitlines()[1].split() == [shell.url("team/listed:v1"), SHA[:12], "0.3", "kB"]


def test_annotations_of_one_line_go_to_the_manifest(shell):
    import trio

    from edged.registry.config import RegistryConfig
    from edged.registry.modules import Modules
    from edged.registry.reference import parse_url
    from edged.telemetry.logs import Logger

    url = shell.url("team/annotated:v1")
    answer = json.loads(shell.good("policy", "push", str(shell.policy), url, "-o", "json", network=True))
    reference = parse_url(answer["immutable_ref"])
    config = RegistryConfig(sources=shell.registry.sources(), docker_config=shell.registry.docker_config())
    modules = Modules(config, shell.folder, Logger())

    async def ask():
        return await modules.ask(reference, lambda registry, host: registry.manifest(reference, host))

    assert trio.run(ask).document["annotations"] == {"io.kubewarden.policy.title": "a title"}


def test_without_metadata(shell):
    url = shell.url("team/plain:v1")
    code, _, err = shell.run("policy", "push", str(shell.plain), url, network=True)
    assert code == 1 and "has no metadata" in err
    assert shell.good("policy", "push", "--force", str(shell.plain), url, network=True)
    assert shell.good("module", "push", str(shell.plain), url, network=True)
    shell.good("policy", "pull", url, network=True)
    assert json.loads(shell.good("policy", "list", "-o", "json"))[0]["mutating"] is None


def test_carried_to_where_there_is_no_network(shell):
    for name in ("a:v1", "b:latest"):
        shell.good("policy", "push", str(shell.policy), shell.url(f"team/{name}"), network=True)
        shell.good("policy", "pull", shell.url(f"team/{name}"), network=True)
    archive, other = str(shell.folder / "policies.tar.gz"), shell.folder / "other"
    shell.good("policy", "save", shell.url("team/a:v1"), shell.url("team/b"), "-o", archive)
    with tarfile.open(archive) as found:
        assert sorted(found.getnames()) == [
            f"registry/{shell.registry.host}/team/{name}" for name in ("a:v1", "b:latest")
        ]
    loaded = shell.good("policy", "load", "-i", archive, store=other).splitlines()
    assert sorted(loaded) == [shell.url("team/a:v1"), shell.url("team/b:latest")]
    assert [e["sha256"] for e in json.loads(shell.good("module", "list", "-o", "json", store=other))] == [SHA, SHA]


def test_pull_into_a_file(shell):
    url, target = shell.url("team/policy:v2"), shell.folder / "here.wasm"
    shell.good("policy", "push", str(shell.policy), url, network=True)
    shell.good("policy", "pull", url, "-o", str(target), network=True)
    assert target.read_bytes() == POLICY
    assert not shell.store.exists()


def test_push_from_the_store(shell):
    shell.good("policy", "push", str(shell.policy), shell.url("team/from:v1"), network=True)
    shell.good("policy", "pull", shell.url("team/from:v1"), network=True)
    assert shell.good("policy", "push", SHA[:10], shell.url("team/to:v1"), network=True).startswith(
        shell.url("team/to@sha256:")
    )


@pytest.mark.parametrize(
    ("words", "code", "problem"),
    [
        (("policy", "rm", "registry://nowhere.example/x:v1"), 1, "is not in"),
        (("policy", "rm", "abcdef"), 1, "no module in"),
        (("policy", "rm", "abc"), 1, "is not in"),
        (("policy", "save", "abcdef", "-o", "x.tar.gz"), 1, "no module in"),
        (("policy", "load", "-i", "/nowhere.tar.gz"), 2, "No such file"),
        (("policy", "pull", "https://"), 2, "URL with a host and a path"),
        (("policy", "pull", "registry://host/UPPER"), 2, "not a repository name"),
        (("policy", "digest", "https://host/x"), 2, "must be a registry:// URL"),
        (("policy", "push", "/nowhere.wasm", "registry://127.0.0.1:1/x"), 1, "is not in"),
        (("policy", "push", "README.md", "registry://127.0.0.1:1/x"), 2, "is not a Wasm module"),
        (("module", "pull", "registry://127.0.0.1:1/x:v1"), 1, "127.0.0.1:1"),
    ],
)
def test_what_cannot_be_done(tmp_path, words, code, problem):
    err = io.StringIO()
    with redirect_stderr(err), redirect_stdout(io.StringIO()):
        found = main([*words, "--store", str(tmp_path / "store")])
    assert (found, problem in err.getvalue()) == (code, True), err.getvalue()
