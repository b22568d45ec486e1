"""The cases of sample modules: modules/*/NAME/cases/*.json, one question each, written as the guest sees it.

`expect` is the guest's own reply (`accepted`, `message`, `mutated_object` ...), `valid` for settings, `error` where the
call fails, or the answer of a Rego policy (`allowed` ...). Called by test.py, beside suite_files.py.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from edged.admission.config import PolicyConfig
from edged.cli.policy import sessions
from edged.cli.policy.requests import request_of
from edged.cli.policy.sessions import Session
from edged.cli.policy.suite_files import INVALID_SETTINGS, Case, Expectation, Text
from edged.errors import ConfigError
from edged.json_text import JsonError, dumps, loads

_KEYS = {"description", "settings", "request", "host_calls", "logs", "expect", "inventory"}


def read(path: Path) -> list[Case]:
    """The one case of a file. Raises ConfigError."""
    try:
        case = loads(path.read_bytes())
    except (OSError, JsonError) as error:
        raise ConfigError(f"{path}: {error}") from error
    if not isinstance(case, dict) or not isinstance(case.get("expect"), dict):
        raise ConfigError(f"{path}: not a case: it needs the object `expect`")
    if unknown := sorted(set(case) - _KEYS):
        raise ConfigError(f"{path}: unknown key {unknown[0]!r}")
    module = module_of(path)
    session = sessions.from_data(case.get("host_calls") or [], str(path))
    if "inventory" in case:
        session.inventory = dumps(case["inventory"])
    policy = PolicyConfig(
        name=module.stem,
        module=module.as_uri(),
        settings=case.get("settings"),  # type: ignore[arg-type]  # cases try out what is no object, too
        allowed_to_mutate=True,
        rules=(),
    )
    request = request_of(case["request"], f"{path}: request") if "request" in case else None
    return [
        Case(
            str(path), 1, path.stem, policy, "", request, _expectation(case, session),
            session, "", frozenset({"context_aware", "host_capabilities"}),
        )
    ]  # fmt: skip


def module_of(path: Path) -> Path:
    """The module that a folder `cases` lies beside. Raises ConfigError."""
    folder = path.absolute().parent.parent
    named = folder / f"{folder.name}.wasm"
    found = [named] if named.exists() else sorted(folder.glob("*.wasm"))
    if len(found) != 1:
        raise ConfigError(f"{path}: {folder} holds {len(found)} modules, the cases are about one")
    return found[0]


def _expectation(case: dict[str, Any], session: Session) -> Expectation:
    wanted = case["expect"]
    logs = tuple(Text(line, "contains") for line in case["logs"]) if "logs" in case else None
    if "valid" in wanted:
        error = Text(wanted["message"], "contains") if wanted.get("message") else None
        return Expectation(settings="valid" if wanted["valid"] else "invalid", error=error, logs=logs)
    failure = wanted.get("error", wanted.get("failure"))
    if failure is not None:
        # A policy with bad settings is not even asked.
        error = Text(f"{re.escape(failure)}|^{INVALID_SETTINGS}", "matches")
        return Expectation(allowed=False, error=error, logs=logs)
    mutated = wanted.get("mutated_object")
    return Expectation(
        allowed=wanted.get("accepted", wanted.get("allowed")),
        message=Text(wanted.get("message") or ""),
        code=wanted.get("code"),
        warnings=tuple(map(Text, wanted.get("warnings") or ())),
        audit_annotations=wanted.get("audit_annotations"),
        mutated=mutated is not None and mutated != case["request"].get("object"),
        object=mutated,
        logs=logs,
    )
