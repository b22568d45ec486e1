"""arm-build/ without network: the lock fits pyproject.toml, layers are deterministic, x86 is refused.

The whole build and its run under emulation is `make arm`, in CI.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
import sys
import tarfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from packaging.requirements import Requirement

from edged import __version__
from edged import config as configuration

FOLDER = Path(__file__).parents[2] / "arm-build"


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, ModuleType]]:
    """The scripts as modules; they import each other by their file names."""
    monkeypatch.syspath_prepend(str(FOLDER))
    names = ("layers", "debian", "wheels", "build", "verify")
    yield {name: importlib.import_module(name) for name in names}
    for name in names:
        sys.modules.pop(name, None)


def locked() -> dict[str, str]:
    lines = (FOLDER / "requirements.lock").read_text().splitlines()
    found = [
        re.fullmatch(r"([^=]+)==(\S+) --hash=sha256:[0-9a-f]{64}", line) for line in lines if line[0] != "#"
    ]
    assert all(found)
    return {match[1].replace("_", "-"): match[2] for match in found if match}


def test_every_dependency_is_locked_at_a_version_that_fits() -> None:
    project = tomllib.loads((FOLDER.parent / "pyproject.toml").read_text())["project"]
    versions = locked()
    for text in project["dependencies"]:
        requirement = Requirement(text)
        assert requirement.specifier.contains(versions[requirement.name.lower().replace("_", "-")]), text


def test_layers_do_not_depend_on_order_or_time(scripts: dict[str, ModuleType]) -> None:
    entry = scripts["layers"].Entry
    files = {"usr/bin/x": entry(data=b"x"), "etc": entry(), "bin": entry(mode=0o777, target="usr/bin")}
    backwards = dict(reversed(files.items()))
    assert scripts["layers"].layer_tar(files) == scripts["layers"].layer_tar(backwards)


def test_a_layout_reads_back(scripts: dict[str, ModuleType], tmp_path: Path) -> None:
    layers, verify = scripts["layers"], scripts["verify"]
    root = {
        "usr/bin/x": layers.Entry(mode=0o755, data=b"x"),
        "bin": layers.Entry(mode=0o777, target="usr/bin"),
    }
    layers.owned(root, "var/lib/edged", 0o700, 65532)
    layers.add_parents(root)
    notes = {"org.opencontainers.image.version": "1"}
    digest = layers.write_layout(tmp_path / "image", [("test", root)], {"User": "65532:65532"}, notes)
    config = verify.unpack(tmp_path / "image", tmp_path / "root")
    assert config == {"User": "65532:65532"}
    assert (tmp_path / "root/bin/x").read_bytes() == b"x"
    assert (tmp_path / "root/var/lib/edged").stat().st_mode & 0o777 == 0o700
    index = json.loads((tmp_path / "image/index.json").read_text())
    assert index["manifests"][0]["digest"] == digest
    assert index["manifests"][0]["annotations"]["io.containerd.image.name"] == "localhost/edged:1"
    for path in (tmp_path / "image/blobs/sha256").iterdir():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name


def test_a_damaged_layout_is_refused(scripts: dict[str, ModuleType], tmp_path: Path) -> None:
    layers = scripts["layers"]
    notes = {"org.opencontainers.image.version": "1"}
    layers.write_layout(tmp_path / "image", [("test", {"x": layers.Entry(data=b"x")})], {}, notes)
    largest = max((tmp_path / "image/blobs/sha256").iterdir(), key=lambda path: path.stat().st_size)
    largest.write_bytes(largest.read_bytes()[:-1] + b"!")
    with pytest.raises(SystemExit, match="damaged"):
        scripts["verify"].unpack(tmp_path / "image", tmp_path / "root")


@pytest.mark.parametrize("name", ["/etc/x", "a/../../x"])
def test_a_name_outside_of_the_image_is_refused(scripts: dict[str, ModuleType], name: str) -> None:
    with pytest.raises(SystemExit, match="outside of the image"):
        scripts["verify"].as_our_own(tarfile.TarInfo(name))


def test_binaries_for_another_machine_are_refused(scripts: dict[str, ModuleType]) -> None:
    entry = scripts["layers"].Entry
    header = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03\x00"
    scripts["build"].check_binaries({"good": entry(data=header + b"\xb7\x00"), "text": entry(data=b"hello")})
    with pytest.raises(SystemExit, match="not for aarch64: bad"):
        scripts["build"].check_binaries({"bad": entry(data=header + b"\x3e\x00")})


def test_what_of_debian_is_left_out(scripts: dict[str, ModuleType]) -> None:
    left_out = scripts["debian"]._LEFT_OUT
    for path in (
        "usr/share/man/man1/x",
        "usr/lib/python3.11/test/x.py",
        "usr/sbin/x",
        "usr/share/doc/x/changelog.gz",
    ):
        assert left_out.match(path), path
    for path in ("usr/share/doc/x/copyright", "usr/lib/python3.11/ssl.py", "usr/bin/python3.11",
                 "usr/lib/python3.11/lib-dynload/_ssl.cpython-311-aarch64-linux-gnu.so"):  # fmt: skip
        assert not left_out.match(path), path


def test_only_debian_12_sources_are_taken(scripts: dict[str, ModuleType], tmp_path: Path) -> None:
    parts = scripts["debian"]._debian_parts
    sources = tmp_path / "a.sources"
    sources.write_text(
        "Types: deb\nURIs: http://d.example/debian\nSuites: bookworm bookworm-updates\nArchitectures: amd64\n"
        "\nTypes: deb\nURIs: https://deb.example.com\nSuites: nodistro\n"
    )
    assert parts(sources).split("\n") == [
        "Types: deb", "URIs: http://d.example/debian", "Suites: bookworm bookworm-updates", "",
    ]  # fmt: skip
    lines = tmp_path / "a.list"
    lines.write_text(
        "deb [arch=amd64] http://a bookworm main\ndeb http://b trixie main\ndeb-src http://c bookworm main\n"
    )
    assert parts(lines) == "deb [] http://a bookworm main\n"


def test_a_wheels_members_go_where_site_packages_has_them(scripts: dict[str, ModuleType]) -> None:
    installed = scripts["wheels"]._installed
    assert installed("pkg/__init__.py") == "pkg/__init__.py"
    assert installed("pkg-1.data/purelib/pkg/x.py") == "pkg/x.py"
    assert installed("pkg-1.data/scripts/tool") is None
    left_out = scripts["wheels"]._LEFT_OUT
    assert not left_out.search("/orjson/orjson.cpython-311-aarch64-linux-gnu.so")
    assert left_out.search("/httptools/parser/parser.pyx")


def test_edged_comes_with_its_licence(scripts: dict[str, ModuleType]) -> None:
    checkout = Path(__file__).parents[2]
    root = scripts["wheels"].own_files(checkout)
    assert root["usr/share/doc/edged/LICENSE"].data == (checkout / "LICENSE").read_bytes()
    assert "usr/share/doc/edged/THIRD-PARTY.md" in root and "usr/bin/edged" in root


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="the image is made with the Python that it ships, 3.11")
def test_compiled_files_fit_the_interpreter(scripts: dict[str, ModuleType]) -> None:
    root = {
        "a/b.py": scripts["layers"].Entry(mode=0o644, data=b"x = 1\n"),
        "a/bad.py": scripts["layers"].Entry(data=b"="),
    }
    scripts["wheels"].add_compiled(root)
    compiled = root["a/__pycache__/b.cpython-311.pyc"].data
    assert compiled[:4] == importlib.util.MAGIC_NUMBER
    assert "a/__pycache__/bad.cpython-311.pyc" not in root


def test_the_layout_is_a_plain_tar_too(scripts: dict[str, ModuleType], tmp_path: Path) -> None:
    image = tmp_path / "image"
    (image / "blobs").mkdir(parents=True)
    (image / "index.json").write_text("{}")
    for target in ("one.tar", "two.tar"):
        scripts["build"].archive(image, tmp_path / target)
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()
    with tarfile.open(tmp_path / "one.tar") as tar:
        assert tar.getnames() == ["blobs", "index.json"]


def test_the_manifest_runs_the_image_with_a_valid_configuration(scripts: dict[str, ModuleType]) -> None:
    objects = {obj["kind"]: obj for obj in yaml.safe_load_all((FOLDER / "edged.yaml").read_text())}
    config = configuration.parse(objects["ConfigMap"]["data"]["edged.toml"], "edged.yaml")
    assert config.admission is not None and config.kubernetes.kubeconfig == "", "in the cluster by its ServiceAccount"
    samples = {f"file:///{path}" for path in scripts["wheels"].own_files(FOLDER.parent)}
    assert [policy.module for policy in config.admission.policy] and {
        policy.module for policy in config.admission.policy
    } <= samples
    spec = objects["Deployment"]["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert container["image"] == f"{scripts['layers'].NAME}:{__version__}"
    probe = container["livenessProbe"]["httpGet"]
    assert f"{probe['host']}:{probe['port']}" == config.observability.listen
    assert spec["hostNetwork"] and config.admission.listen.startswith("127.0.0.1:")
    assert container["volumeMounts"][0]["mountPath"] in scripts["build"]._CONFIG["Cmd"][-1]
