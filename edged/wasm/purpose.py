"""What a module is for, told by what it imports and exports: an admission policy or a scheduler plugin. Pure.

Used for the messages about a module that stands in the wrong table of the configuration.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

Purpose = Literal["policy", "plugin", ""]
POLICY: Purpose = "policy"
PLUGIN: Purpose = "plugin"

_POLICY_EXPORTS = frozenset({"__guest_call", "opa_eval_ctx_new", "opa_json_parse"})
_PLUGIN_IMPORTS = "k8s.io/"
_PLUGIN_EXPORTS = frozenset({"prefilter", "filter", "postfilter", "prescore", "score", "reserve", "permit", "bind"})


def purpose_of(imported_modules: Iterable[str], exports: Iterable[str]) -> Purpose:
    """`imported_modules`: the first half of each import's name. "" for what is neither, such as a WASI command, which
    may be a policy or any other program."""
    modules, names = set(imported_modules), set(exports)
    if "wapc" in modules or names & _POLICY_EXPORTS:
        return POLICY
    if any(name.startswith(_PLUGIN_IMPORTS) for name in modules) or names & _PLUGIN_EXPORTS:
        return PLUGIN
    return ""


def misplaced(found: Purpose, wanted: Purpose) -> str:
    """Where a module of another purpose belongs; "" where it stands right, or nobody knows."""
    if not found or found == wanted:
        return ""
    if found == POLICY:
        return "the module is an admission policy: write it under [[admission.policy]]"
    return "the module is a scheduler plugin: write it under [[scheduler.plugin]]"
