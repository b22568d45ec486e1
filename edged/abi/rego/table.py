"""The table of builtins that edged offers Rego policies, by name, and how one is called with texts. Pure.

Names and meanings are OPA's; where Kubewarden's Rego engine has a name or a behaviour of its own that policies may lean
on, the file that holds the builtin says so (and docs/rego.md lists it). What fails raises BuiltinError.
"""

from __future__ import annotations

from edged.abi.rego import documents, hashes, network, numbers, regexes, text, times, tokens
from edged.abi.rego.signature import Builtin

REFUSED = {
    "http.send": "policies may not open connections; use context_aware resources",
    "net.lookup_ip_addr": "policies may not ask name servers",
    "opa.runtime": "there is no OPA process whose configuration could be shown",
    "rego.parse_module": "it needs OPA's own parser",
    "providers.aws.sign_req": "policies may not open connections",
}
"""Builtins that there will not be, and why."""


def _table() -> dict[str, Builtin]:
    found: dict[str, Builtin] = {}
    for module in (text, times, regexes, documents, network, numbers, hashes, tokens):
        for builtin in module.BUILTINS:
            if builtin.name in found:
                raise RuntimeError(f"the builtin {builtin.name} stands twice")
            found[builtin.name] = builtin
    return found


TABLE = _table()


def explain_missing(names: list[str]) -> str:
    """The message for a module that needs builtins which edged does not have."""
    parts = [f"{name} ({REFUSED[name]})" if name in REFUSED else name for name in names]
    return f"the policy needs builtins that edged does not offer: {', '.join(parts)}"
