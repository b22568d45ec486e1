"""Why an operation of the fabric was not carried out. Pure."""

from __future__ import annotations

from typing import Literal, get_args

from edged.errors import EdgedError

Code = Literal["INTERNAL", "ALREADY_EXISTS", "INVALID", "LIMIT", "UNAVAILABLE", "UNSUPPORTED"]
"""By the names of the codes that a controller's guest gets. INVALID and UNSUPPORTED will not pass by themselves."""
CODES: frozenset[str] = frozenset(get_args(Code))


class FabricError(EdgedError):
    """An operation that failed, with the code that a guest gets. Nothing else comes out of an extension."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code: Code = code
