"""Which versions of Python edged starts on: edged/__main__.py, pyproject.toml and the Makefile agree."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from edged.__main__ import refusal

ROOT = Path(__file__).parent.parent
VERSIONS = [(3, 10, 13), (3, 11, 0), (3, 12, 1), (3, 13, 5), (3, 14, 0), (3, 14, 1), (3, 14, 10), (3, 15, 0), (4, 0, 0)]
STARTED = """
import sys
sys.version_info = (3, 15, 0, "final", 0)
sys.argv = ["edged", "version"]
import edged.__main__
sys.exit(edged.__main__.main())
"""


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: ".".join(map(str, version)))
def test_pip_make_and_the_start_accept_the_same_versions(version):
    accepted = refusal(version) is None
    requires = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert (".".join(map(str, version)) in SpecifierSet(requires)) == accepted
    check = re.search(r"^SUPPORTED := (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert check
    told = check[1].replace("import sys;", f"import sys; sys.version_info = {(*version, 'final', 0)};")
    assert (subprocess.run([sys.executable, "-c", told], timeout=60).returncode == 0) == accepted


def test_an_unsupported_version_is_named_and_edged_does_not_start():
    done = subprocess.run(
        [sys.executable, "-c", STARTED],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("edged: Python 3.15.0 is not supported") and "3.11" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_version_with_the_broken_stack_check_is_refused_with_its_reason():
    assert "use 3.14.1 or later" in (refusal((3, 14, 0)) or "")


def test_this_python_is_supported():
    assert refusal(tuple(sys.version_info[:3])) is None
