"""What a module is for, told by what it imports and exports: a policy, a scheduler plugin or a controller. Pure.

Used for the messages about a module that stands in the wrong table of the configuration.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

Purpose = Literal["policy", "plugin", "controller", ""]
POLICY: Purpose = "policy"
PLUGIN: Purpose = "plugin"
CONTROLLER: Purpose = "controller"
TABLES: dict[Purpose, tuple[str, str]] = {
    POLICY: ("an admission policy", "[[admission.policy]]"),
    PLUGIN: ("a scheduler plugin", "[[scheduler.plugin]]"),
    CONTROLLER: ("a controller", "[[controller]]"),
}
"""What it is called, and the table of the configuration that it belongs to."""

_POLICY_EXPORTS = frozenset({"__guest_call", "opa_eval_ctx_new", "opa_json_parse"})
_PLUGIN_IMPORTS = "k8s.io/"
_PLUGIN_EXPORTS = frozenset({"prefilter", "filter", "postfilter", "prescore", "score", "reserve", "permit", "bind"})
_CONTROLLER = "edged_ctl_"


def purpose_of(imported_modules: Iterable[str], exports: Iterable[str]) -> Purpose:
    """`imported_modules`: the first half of each import's name. "" for what is none of them, such as a WASI command,
    which may be a policy or any other program."""
    modules, names = set(imported_modules), set(exports)
    if any(name.startswith(_CONTROLLER) for name in modules | names):
        return CONTROLLER
    if "wapc" in modules or names & _POLICY_EXPORTS:
        return POLICY
    if any(name.startswith(_PLUGIN_IMPORTS) for name in modules) or names & _PLUGIN_EXPORTS:
        return PLUGIN
    return ""


def misplaced(found: Purpose, wanted: Purpose) -> str:
    """Where a module of another purpose belongs; "" where it stands right, or nobody knows."""
    if not found or found == wanted:
        return ""
    kind, table = TABLES[found]
    return f"the module is {kind}: write it under {table}"
