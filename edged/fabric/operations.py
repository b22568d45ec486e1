"""What a back end of the fabric is to its callers: seven operations, by name. Pure.

| operation | arguments | answer |
|---|---|---|
| `Name` | none | `{"name","hostIP"}`: the back end, and this node's address towards the others |
| `CreateLocalIfc` | name, vni, guestMAC, guestIP | `{"created"}` |
| `DeleteLocalIfc` | the same | `{"deleted"}` |
| `CreateRemoteIfc` | vni, guestMAC, guestIP, hostIP | `{"created"}` |
| `DeleteRemoteIfc` | the same | `{"deleted"}` |
| `ListLocalIfcs`, `ListRemoteIfcs` | none | `{"items":[...]}`, objects as the arguments above |

To create what is there and to delete what is not there are no errors. Lists say what earlier processes made, and take
away what one of them made half.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from edged.errors import did_you_mean_or_all, shown
from edged.fabric.errors import FabricError
from edged.fabric.interfaces import (
    LocalInterface,
    RemoteInterface,
    local_interface,
    no_arguments,
    remote_interface,
)

NAME = "netfabric"
"""By which a controller is granted the extension."""


class Extension(Protocol):
    """A host extension."""

    async def call(self, op: str, args: object) -> object:
        """The answer, which has a JSON form. Raises FabricError."""


class Fabric(Protocol):
    """A back end. Each method raises FabricError; `bool` says whether anything had to be done."""

    def name(self) -> str: ...
    def host_ip(self) -> str: ...
    def create_local(self, wanted: LocalInterface) -> bool: ...
    def delete_local(self, gone: LocalInterface) -> bool: ...
    def create_remote(self, wanted: RemoteInterface) -> bool: ...
    def delete_remote(self, gone: RemoteInterface) -> bool: ...
    def list_local(self) -> list[LocalInterface]: ...
    def list_remote(self) -> list[RemoteInterface]: ...


def carry_out(fabric: Fabric, op: object, args: object) -> dict[str, object]:
    """One operation by its name. Raises FabricError."""
    operation = OPERATIONS.get(op) if isinstance(op, str) else None
    if operation is None:
        known = did_you_mean_or_all(op, OPERATIONS) if isinstance(op, str) and len(op) <= 64 else ""
        raise FabricError("UNSUPPORTED", f"{NAME} has no operation {shown(op)}{known}")
    return operation(fabric, args)


def _name(fabric: Fabric, args: object) -> dict[str, object]:
    no_arguments(args)
    return {"name": fabric.name(), "hostIP": fabric.host_ip()}


def _list_local(fabric: Fabric, args: object) -> dict[str, object]:
    no_arguments(args)
    return {"items": [each.to_json() for each in fabric.list_local()]}


def _list_remote(fabric: Fabric, args: object) -> dict[str, object]:
    no_arguments(args)
    return {"items": [each.to_json() for each in fabric.list_remote()]}


OPERATIONS: Mapping[str, Callable[[Fabric, object], dict[str, object]]] = {
    "Name": _name,
    "CreateLocalIfc": lambda fabric, args: {"created": fabric.create_local(local_interface(args))},
    "DeleteLocalIfc": lambda fabric, args: {"deleted": fabric.delete_local(local_interface(args))},
    "CreateRemoteIfc": lambda fabric, args: {"created": fabric.create_remote(remote_interface(args))},
    "DeleteRemoteIfc": lambda fabric, args: {"deleted": fabric.delete_remote(remote_interface(args))},
    "ListLocalIfcs": _list_local,
    "ListRemoteIfcs": _list_remote,
}
