"""Shows that the policies for memory benchmarks are different, of the size they claim, and work."""

from pathlib import Path

import pytest
import wasmtime

from tests.guests.rust import build
from tests.modules.wapc_host import Policy

from . import generate


@pytest.mark.toolchains("rust")
@pytest.mark.timeout(1200)  # compiled with Rust
def test_policies_differ_and_work(tmp_path: Path) -> None:
    build.required(())
    modules = [path.read_bytes() for path in generate.generate(3, tmp_path)]
    assert len(set(modules)) == 3
    assert all(1_000_000 < len(module) < 2_000_000 for module in modules)
    assert Policy(wasmtime.Engine(), modules[2]).protocol_version() == "v1"


def test_count_is_checked(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="from 1 to 100"):
        generate.generate(0, tmp_path)
