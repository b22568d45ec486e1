"""Whether a policy's mutation can be handed to the API server: it must apply, and leave the object what it is. Pure.

The API server answers a patch that does not apply with an error of its own that names no policy, and where it cannot
read one, `failurePolicy: Ignore` lets the request in. So edged applies each patch first. Used by verdict.py, rego.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edged.admission.rules import jsonpatch
from edged.admission.rules.jsonpatch import BadPatch
from edged.errors import GuestError
from edged.json_text import JsonError, dumps, loads

MUTATION_OF_NOTHING = "Incorrect policy behaviour: a null object cannot be mutated"
_IDENTITY = (("apiVersion",), ("kind",), ("metadata", "name"), ("metadata", "namespace"), ("metadata", "uid"))
"""What says which object it is. A policy may set what is not there yet, such as a name in place of `generateName`; what
is gone the API server fills in, or misses by name."""


class BadReply(GuestError):
    """The guest's reply does not have the shape that it must have."""


class BadMutation(BadReply):
    """What the policy made of the object cannot be handed on."""


class MutationOfNothing(BadMutation):
    """There is no object that could be changed, as with DELETE."""

    def __init__(self) -> None:
        super().__init__(MUTATION_OF_NOTHING)


def check_object(old: object, new: object) -> None:
    """A whole object in place of another one. Raises BadMutation."""
    if not isinstance(new, dict):
        raise BadMutation(f"The policy's mutated object is {_kind_of(new)}, not an object.")
    if "metadata" in new and not isinstance(new["metadata"], dict):
        raise BadMutation(f"The policy's mutated object has a metadata that is {_kind_of(new['metadata'])}.")
    for path in _IDENTITY:
        before, after = _at(old, path), _at(new, path)
        if before and after and after != before:
            raise BadMutation(f"The policy changed {'.'.join(path)}: that would be another object.")


def check_patch(old: object, patch: Sequence[Mapping[str, Any]], *, raw: bool) -> None:
    """A patch of an object; `raw`: of any JSON. Raises BadMutation."""
    if old is None:
        raise MutationOfNothing
    try:
        own = loads(dumps(old))
        new = jsonpatch.applied(own, patch)
        dumps(new)
    except BadPatch as error:
        raise BadMutation(f"The policy's patch cannot be applied: {error}.") from error
    except JsonError as error:
        raise BadMutation("The policy's patch makes an object that is nested too deeply.") from error
    if not raw:
        check_object(old, new)


def _at(value: object, path: Sequence[str]) -> object:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _kind_of(value: object) -> str:
    if value is None or isinstance(value, bool):
        return "null" if value is None else "a boolean"
    return "a list" if isinstance(value, list) else "a text" if isinstance(value, str) else "a number"
