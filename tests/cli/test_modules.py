"""`edged policy` and `edged module` with a real registry: publish, fetch, carry, list, remove."""

import hashlib
import io
import json
import socket
import subprocess
import sys
import tarfile
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from edged.cli import progress
from edged.cli.main import main
from edged.registry.store import Store
from edged.wasm import binary, bindings
from edged.wasm.compile import METADATA_SECTION
from tests.registry.fake import Fake, fake
from tests.registry.real import RealRegistry

PLAIN = bindings.wat2wasm("(module)")
METADATA = {
    "protocolVersion": "v1",
    "rules": [],
    "mutating": True,
    "contextAwareResources": [{"apiVersion": "v1", "kind": "Namespace"}],
    "annotations": {"io.kubewarden.policy.title": "a title\n", "io.kubewarden.policy.usage": "two\nlines",
                    "io.kubewarden.policy.source": "https://code.example/x"},
}
POLICY = binary.append_custom_section(PLAIN, METADATA_SECTION, json.dumps(METADATA).encode())
SHA = hashlib.sha256(POLICY).hexdigest()
SIZE = f"{len(POLICY) / 1000:.1f}"


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
    assert shell.good("policy", "list").splitlines() == ["POLICY   SHA-256   SIZE"]


def test_lists_for_people(shell):
    shell.good("policy", "push", str(shell.policy), shell.url("team/listed:v1"), network=True)
    shell.good("module", "pull", shell.url("team/listed:v1"), network=True)
    assert shell.good("policy", "list").splitlines()[1].split() == [shell.url("team/listed:v1"), SHA[:12], SIZE, "kB"]
    assert shell.good("policy", "list", "-o", "wide").splitlines()[1].split() == [
        shell.url("team/listed:v1"), "yes", "yes", SHA, SIZE, "kB",
    ]  # fmt: skip
    assert shell.good("module", "list").splitlines()[1].split() == [shell.url("team/listed:v1"), SHA[:12], SIZE, "kB"]


def test_annotations_of_one_line_go_to_the_manifest(shell):
    import trio

    from edged.registry.config import RegistryConfig
    from edged.registry.modules import Modules
    from edged.registry.reference import parse_url
    from edged.telemetry.logs import Logger

    url = shell.url("team/annotated:v1")
    answer = json.loads(shell.good("policy", "push", str(shell.policy), url, "-o", "json", network=True))
    assert answer["url"] == f"registry://{answer['immutable_ref']}"
    reference = parse_url(answer["url"])
    config = RegistryConfig(sources=shell.registry.sources(), docker_config=shell.registry.docker_config())
    modules = Modules(config, shell.folder, Logger())

    async def ask():
        return await modules.ask(reference, lambda registry, host: registry.manifest(reference, host))

    assert trio.run(ask).document["annotations"] == {
        "io.kubewarden.policy.title": "a title",
        "io.kubewarden.policy.source": "https://code.example/x",
        "org.opencontainers.image.source": "https://code.example/x",
    }


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
        (("policy", "pull", "ftp://host/x"), 2, "ftp:// is not fetched; use registry://HOST/REPOSITORY[:TAG] or"),
    ],
)
def test_what_cannot_be_done(tmp_path, words, code, problem):
    err = io.StringIO()
    with redirect_stderr(err), redirect_stdout(io.StringIO()):
        found = main([*words, "--store", str(tmp_path / "store")])
    assert (found, problem in err.getvalue()) == (code, True), err.getvalue()


# --- without a real registry


def test_a_registry_that_cannot_be_reached_is_one_line_with_a_next_step(tmp_path):
    with socket.socket() as nobody_listens:
        nobody_listens.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{nobody_listens.getsockname()[1]}"
        err = io.StringIO()
        with redirect_stderr(err), redirect_stdout(io.StringIO()):
            code = main(["module", "pull", f"registry://{host}/x:v1", "--store", str(tmp_path / "store"), "-q"])
    assert code == 1 and len(err.getvalue().splitlines()) == 1
    assert f"https://{host}/v2/x/manifests/v1: Connection refused. Check the name {host} and the" in err.getvalue()


def ran(server: Fake, folder: Path, *words: str) -> tuple[int, str, str]:
    """(exit code, stdout, stderr) of a command for a registry without TLS."""
    sources = folder / "sources.yml"
    sources.write_text(f'insecure_sources: ["{server.host}"]\n')
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main([*words, "--store", str(folder / "store"), "--sources-path", str(sources)])
    return code, out.getvalue(), err.getvalue()


@pytest.fixture
def no_progress(monkeypatch):
    """However slow the machine is."""
    monkeypatch.setattr(progress, "_QUIET_S", 1e6)


def test_what_a_registry_lacks_or_forbids_is_one_line_with_a_next_step(tmp_path, no_progress):
    with fake() as server:
        code, out, err = ran(server, tmp_path, "policy", "pull", f"registry://{server.host}/team/x:v1")
        assert (code, out) == (1, "")
        assert err == (
            f"edged: {server.host}/team/x:v1: HTTP 404: not found. Check the repository and the tag: the registry has "
            "neither under this name, or wants you to log in\n"
        )
        server.pages["/v2/team/x/manifests/v1"] = (403, {}, b"")
        code, _, err = ran(server, tmp_path, "policy", "digest", f"registry://{server.host}/team/x:v1")
        assert code == 1 and f"HTTP 403: forbidden. Log in with `docker login {server.host}`" in err


def test_a_module_of_the_store_is_not_fetched_again_and_that_is_said(tmp_path, no_progress):
    with fake() as server:
        server.publish("team/x", "v1", POLICY)
        server.publish("team/x", "latest", POLICY)
        url = f"registry://{server.host}/team/x:v1"
        code, out, err = ran(server, tmp_path, "policy", "pull", url)
        assert (code, Path(out.strip()).read_bytes(), err) == (0, POLICY, "")
        asked = len(server.asked)
        code, again, err = ran(server, tmp_path, "policy", "pull", url)
        assert (code, again, err) == (0, out, f"edged: {url} is in the store; it was not fetched again\n")
        assert ran(server, tmp_path, "policy", "pull", "-q", url)[2] == ""
        assert len(server.asked) == asked
        for _ in range(2):  # what may have moved is asked for each time
            assert ran(server, tmp_path, "policy", "pull", f"{server.host}/team/x")[2] == ""
        assert len(server.asked) > asked


def test_a_file_is_written_over_only_by_force(tmp_path, no_progress):
    target = tmp_path / "here.wasm"
    target.write_text("mine")
    with fake() as server:
        server.publish("team/x", "v1", POLICY)
        words = ["policy", "pull", f"registry://{server.host}/team/x:v1", "--output-path", str(target)]
        code, _, err = ran(server, tmp_path, *words)
        assert (code, err) == (2, f"edged: {target} exists; --force writes over it\n")
        assert target.read_text() == "mine" and not server.asked
        assert ran(server, tmp_path, *words, "--force")[0] == 0
        assert target.read_bytes() == POLICY


def test_slow_downloads_show_bytes_of_the_module_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "_QUIET_S", 0.0)
    monkeypatch.setattr(progress, "_LINES_S", 0.0)
    with fake() as server:
        server.publish("team/x", "v1", POLICY)
        url = f"registry://{server.host}/team/x:v1"
        _, _, err = ran(server, tmp_path, "policy", "pull", url)
        assert f"{url}: 0.3 kB of 0.3 kB" in err.splitlines()
        assert "kB" not in ran(server, tmp_path, "policy", "pull", f"registry://{server.host}/team/x:v2")[2]


FULL = """
import resource, sys
from edged.cli import progress
from edged.cli.main import main
from edged.registry.store import Store
resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("operation", ["pull", "pull into a file", "save", "load", "annotate"])
def test_a_full_disk_is_one_line_that_names_the_file(tmp_path, operation):
    """The limit on the size of files stands for the disk's end."""
    store, target, policy = tmp_path / "store", tmp_path / "target", tmp_path / "policy.wasm"
    policy.write_bytes(POLICY)
    kept = Store(store).keep("registry://host.example/x:v1", POLICY)
    (tmp_path / "metadata.yml").write_text("rules: []\nmutating: false\nexecutionMode: wasi\n")
    command = tmp_path / "command.wasm"
    command.write_bytes(bindings.wat2wasm('(module (memory (export "memory") 1) (func (export "_start")))'))
    archive = tmp_path / "archive.tar"
    with tarfile.open(archive, "w") as made:
        made.add(kept, kept.relative_to(store))
    with fake(tmp_path / "tls") as server:
        server.publish("team/x", "v1", POLICY)
        sources = tmp_path / "sources.yml"
        sources.write_text(f'insecure_sources: ["{server.host}"]\n')
        pull = ["policy", "pull", f"registry://{server.host}/team/x:v1", "--sources-path", str(sources)]
        words, named = {
            "pull": ([*pull, "--store", str(target)], str(target)),
            "pull into a file": ([*pull, "--output-path", str(target)], str(target)),
            "save": (["policy", "save", SHA[:8], "--store", str(store), "--output-path", str(target)], str(target)),
            "load": (["policy", "load", "-f", str(archive), "--store", str(target)], str(target)),
            "annotate": (["policy", "annotate", str(command), "-m", str(tmp_path / "metadata.yml"),
                          "--output-path", str(target)], str(target)),
        }[operation]  # fmt: skip
        ran = subprocess.run([sys.executable, "-B", "-c", FULL, *words], capture_output=True, text=True, timeout=60)
    assert ran.returncode in (1, 2)
    said = [line for line in ran.stderr.splitlines() if line.startswith("edged: ")]
    assert len(said) == 1 and named in said[0], ran.stderr
    assert "Traceback" not in ran.stderr
    assert not [path for path in target.rglob("*") if path.is_file()] and not target.is_file()
