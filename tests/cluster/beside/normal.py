"""Takes out of an answer what differs by chance: times, versions, uids, addresses, ports, random endings."""

from __future__ import annotations

import re
from typing import Any

_TEXTS = (
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "<uid>"),
    (re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"), "<time>"),
    (re.compile(r"\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d \w{3} \d{4} \d\d:\d\d:\d\d( [+-]\d{4}| GMT)"), "<time>"),
    (re.compile(r'"[0-9A-F]{128}"'), "<etag>"),
    (re.compile(r'(resourceVersion: )"\d+"'), r"\1<rv>"),
    (re.compile(r'(\\"resourceVersion\\":\\")\d+'), r"\1<rv>"),
    (re.compile(r"https?://127\.0\.0\.1:\d+"), "<server>"),
    (re.compile(r"\b127\.0\.0\.1:\d+"), "<address>"),
    (re.compile(r"\b10\.\d+\.\d+\.\d+\b"), "<ip>"),
    (re.compile(r"\b3[0-2]\d{3}(?=/(TCP|UDP|SCTP))"), "<node-port>"),
    (re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]+"), "<token>"),
    (re.compile(r"(?<=\s)(\d+[smhd]){1,2}(?=\s|$)"), "<age>"),
    (re.compile(r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0000 UTC"), "<time>"),
    (re.compile(r"(Resource Version: +)\d+"), r"\1<rv>"),
    (re.compile(r"\bgen-[bcdfghjklmnpqrstvwxz2456789]{5}\b"), "gen-<random>"),
    (re.compile(r"(not decodable revision=)\d+"), r"\1<rv>"),
    (re.compile(r"(ResourceVersion in record \()\d+"), r"\1<rv>"),
    (re.compile(r"(too old resource version: )\d+ \(\d+\)"), r"\1<rv> (<rv>)"),
    (re.compile(r"(Too large resource version: )\d+, current: \d+"), r"\1<rv>, current: <rv>"),
)
_BY_KEY = {
    "resourceVersion": "<rv>", "uid": "<uid>", "continue": "<continue>", "nodePort": "<node-port>",
    "healthCheckNodePort": "<node-port>", "pod-template-hash": "<hash>",
}  # fmt: skip
# Without kube-controller-manager the real server runs without its ServiceAccount plugin.
_ACCOUNT = ("serviceAccount", "serviceAccountName")
# Who asks is called otherwise, and has a uid on the real server alone.
_USERS = ("admin", "sandbox-admin")
_RANDOM = re.compile(r"[bcdfghjklmnpqrstvwxz2456789]{5}")


def normal(value: Any, namespace: str) -> Any:
    """The same with marks such as <uid> in place of what differs by chance; `namespace` becomes <ns>."""
    if isinstance(value, dict):
        return {
            text(key, namespace): _entry(key, inner, value, namespace) for key, inner in value.items()
            if not (key in _ACCOUNT and inner == "default") and not (key == "uid" and value.get("username") in _USERS)
        }  # fmt: skip
    if isinstance(value, list):
        return [normal(inner, namespace) for inner in value]
    return text(value, namespace) if isinstance(value, str) else value


def _entry(key: str, value: Any, around: dict[str, Any], namespace: str) -> Any:
    if key == "username" and value in _USERS:
        return "<user>"
    if key in _BY_KEY and isinstance(value, str | int) and value not in ("", 0):
        return _BY_KEY[key]
    if key == "name" and isinstance(value, str) and around.get("generateName"):
        prefix = around["generateName"]
        if value.startswith(prefix) and _RANDOM.fullmatch(value[len(prefix) :]):
            return text(prefix, namespace) + "<random>"
    if key == "cells" and isinstance(value, list):
        return [_cell(inner, namespace) for inner in value]
    if key in ("resourceRules", "nonResourceRules") and isinstance(value, list):
        return sorted((normal(inner, namespace) for inner in value), key=repr)  # in no order on the real server
    if key == "managedFields" and isinstance(value, list) and all(isinstance(inner, dict) for inner in value):
        return sorted((normal(inner, namespace) for inner in value), key=_writer)  # their order is that of seconds
    return normal(value, namespace)


def _writer(entry: dict[str, Any]) -> list[str]:
    return [str(entry.get(key)) for key in ("operation", "manager", "apiVersion", "subresource")]


def _cell(value: Any, namespace: str) -> Any:
    """Cells of tables are whole words: ages stand alone in them."""
    if isinstance(value, str) and re.fullmatch(r"(\d+[smhd]){1,2}", value):
        return "<age>"
    return normal(value, namespace)


def text(value: str, namespace: str) -> str:
    value = value.replace(namespace, "<ns>").replace("sandbox-admin", "admin")
    for pattern, mark in _TEXTS:
        value = pattern.sub(mark, value)
    return value


def differences(sandbox: Any, real: Any, path: str = "") -> list[str]:
    """One line for each place where the two differ."""
    if isinstance(sandbox, dict) and isinstance(real, dict):
        lines = []
        for key in sorted(sandbox.keys() | real.keys()):
            where = f"{path}.{key}" if path else str(key)
            if key not in real:
                lines.append(f"{where}: only in the sandbox: {_short(sandbox[key])}")
            elif key not in sandbox:
                lines.append(f"{where}: missing in the sandbox: {_short(real[key])}")
            else:
                lines += differences(sandbox[key], real[key], where)
        return lines
    if isinstance(sandbox, list) and isinstance(real, list) and len(sandbox) == len(real):
        return [line for i, pair in enumerate(zip(sandbox, real, strict=True))
                for line in differences(*pair, f"{path}[{i}]")]  # fmt: skip
    # true and 1 are equal in Python, and so are 1 and 1.0: not in JSON that a client decodes into types.
    if type(sandbox) is not type(real) or sandbox != real:
        return [f"{path}:\n      sandbox {_short(sandbox)}\n      real    {_short(real)}"]
    return []


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 1500 else f"{shown[:1500]}... ({len(shown)} characters)"
