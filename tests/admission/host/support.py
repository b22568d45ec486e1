"""Policies loaded from WAT or .wasm for tests of the loops, through the real loader, compiler and guest host."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from edged.admission.config import GroupConfig, PolicyConfig
from edged.admission.host.admission import Admission
from edged.admission.host.policy_loader import PolicyLoader
from edged.admission.rules.review import AdmissionRequest
from edged.registry.config import RegistryConfig
from edged.registry.modules import Modules
from edged.telemetry.logs import GuestLines, Logger
from edged.wasm import binary, bindings
from edged.wasm.compile import METADATA_SECTION, Compiler
from edged.wasm.config import EngineConfig
from edged.wasm.engine import Engine

MODULES = Path(__file__).parents[3] / "modules"
METADATA = {"protocolVersion": "v1", "rules": [], "mutating": True}
PATIENCE_S = 60.0


class Rig:
    """An engine, a cache and an Admission with whatever policies a test loads; `said` is its log."""

    def __init__(self, folder: Path, **engine: Any) -> None:
        self.folder = folder
        self.engine = Engine()
        self.compiler = Compiler(self.engine, folder / "cache")
        self.said: list[str] = []
        self.log = Logger(write=lambda line: self.said.append(line.decode()))
        self.lines = GuestLines(self.log)
        self.limits = EngineConfig(**engine)
        self.modules = Modules(RegistryConfig(), folder / "state", self.log)
        self.admission = Admission(self.log, self.lines, None)

    def wat(self, name: str, text: str, metadata: Any = METADATA) -> PolicyConfig:
        """A policy from WAT, with metadata unless the text brings its own section."""
        wasm = bindings.wat2wasm(text)
        if binary.custom_section(wasm, METADATA_SECTION) is None and metadata is not None:
            wasm = binary.append_custom_section(wasm, METADATA_SECTION, json.dumps(metadata).encode())
        path = self.folder / f"{name}.wasm"
        path.write_bytes(wasm)
        return PolicyConfig(name=name, module=f"file://{path}")

    async def load(self, *policies: PolicyConfig | GroupConfig, patient: Sequence[PolicyConfig] = ()) -> None:
        """`patient`: policies with so much time that a busy machine never ends them."""
        loaded = await self._loader(self.limits).load(policies, self.admission.policies)
        limits = replace(self.limits, wall_timeout_s=PATIENCE_S, cpu_budget_ms=int(PATIENCE_S * 1000))
        lenient = [replace(policy, timeout_s=PATIENCE_S) for policy in patient]
        loaded |= await self._loader(limits).load(lenient, self.admission.policies)
        self.admission.swap(loaded)

    def _loader(self, limits: EngineConfig) -> PolicyLoader:
        return PolicyLoader(limits, self.compiler, self.lines, self.log, self.modules)

    def close(self) -> None:
        self.engine.close()


def request(obj: dict[str, Any] | None = None, **fields: Any) -> AdmissionRequest:
    """A CREATE of a Pod."""
    obj = obj or {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": []}}
    payload = {
        "uid": "u-1",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "operation": "CREATE",
        "userInfo": {},
        "object": obj,
    } | fields
    return AdmissionRequest(payload["uid"], payload, payload.get("object"))
