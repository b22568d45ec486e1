"""Paths within volumes and on nodes. Pure.

Facts from kubernetes' pkg/apis/core/validation/validation.go.
"""

from __future__ import annotations

from collections.abc import Iterator

from edged.sandbox.protocol.api_status import Cause
from edged.sandbox.validation.causes import invalid


def no_backsteps(path: str, field: str) -> Iterator[Cause]:
    if ".." in path.split("/"):
        yield invalid(field, path, "must not contain '..'")


def descending(path: str, field: str) -> Iterator[Cause]:
    """A relative path that does not leave where it begins."""
    if path.startswith("/"):
        yield invalid(field, path, "must be a relative path")
    yield from no_backsteps(path, field)


def not_reserved(path: str, field: str) -> Iterator[Cause]:
    """As `descending`; and names that begin with two dots are for the kubelet."""
    yield from descending(path, field)
    if path.startswith("..") and not path.startswith("../"):
        yield invalid(field, path, "must not start with '..'")
