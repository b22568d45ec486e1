"""Who asks: bearer tokens and impersonation. Pure.

Source: apiserver/pkg/endpoints/filters (authentication, impersonation).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final
from urllib.parse import unquote

from edged.json_text import dumps
from edged.sandbox.authorization.rules import Attributes
from edged.sandbox.protocol.api_status import ApiStatus
from edged.sandbox.protocol.request import Request, User

NO_SNIFFING: Final = ("X-Content-Type-Options", "nosniff")
"""Refusals that come before the request is looked at have this header."""
ADMINISTRATOR: Final = User()
ANONYMOUS: Final = User("system:anonymous", "", ("system:unauthenticated",))
_AUTHENTICATED, _UNAUTHENTICATED = "system:authenticated", "system:unauthenticated"
_EXTRA: Final = "impersonate-extra-"

Verify = Callable[[str], User | None]
"""A token -> whose it is; None for a wrong one."""
Check = Callable[[User, Attributes], None]
"""Raises ApiStatus for what a user may not do."""


def authenticated(request: Request, verify: Verify) -> User:
    """Raises 401 for a token that nobody gave out."""
    kind, token, *_ = [*request.headers.get("authorization", "").strip().split(" ", 2), "", ""]
    if kind.lower() != "bearer" or not token:
        return ANONYMOUS
    user = verify(token)
    if user is None:
        raise ApiStatus(401, "Unauthorized", "Unauthorized")
    return user


def impersonated(request: Request, user: User, check: Check) -> User:
    """Whom the request's headers name instead, if `user` may speak for them. Raises 400, 403."""
    name = _first(request.headers, "impersonate-user")
    groups = _values(request.headers, "impersonate-group")
    uid = _first(request.headers, "impersonate-uid")
    extra = list(_extra(request.headers))
    if not name:
        if groups or uid or extra:
            raise ApiStatus(400, "BadRequest", _without_user(groups, uid, extra), headers=[NO_SNIFFING])
        return user
    for attributes in _asked(name, groups, uid, extra):
        check(user, attributes)
    return User(name, uid, _groups(name, groups))


def _values(headers: Mapping[str, str], name: str) -> list[str]:
    """A header that came several times has its values on lines of their own."""
    return [value for value in headers.get(name, "").split("\n") if value]


def _first(headers: Mapping[str, str], name: str) -> str:
    return headers.get(name, "").partition("\n")[0]


def _extra(headers: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for header in headers:
        if header.startswith(_EXTRA):
            for value in _values(headers, header):
                yield unquote(header.removeprefix(_EXTRA)), value


def _without_user(groups: list[str], uid: str, extra: list[tuple[str, str]]) -> str:
    """With the wanted user as Go prints it."""
    told: dict[str, list[str]] = {}
    for key, value in extra:
        told.setdefault(key, []).append(value)
    mapped = ", ".join(f"{_go(key)}:{_go(values)}" for key, values in sorted(told.items()))
    listed = _go(groups) if groups else "[]string(nil)"
    extras = f"map[string][]string{{{mapped}}}" if told else "map[string][]string(nil)"
    wanted = f'&user.DefaultInfo{{Name:"", UID:{_go(uid)}, Groups:{listed}, Extra:{extras}}}'
    return f"requested {wanted} without impersonating a user name"


def _go(value: str | list[str]) -> str:
    if isinstance(value, str):
        return dumps(value).decode()
    return f"[]string{{{', '.join(map(_go, value))}}}"


def _asked(name: str, groups: list[str], uid: str, extra: list[tuple[str, str]]) -> Iterator[Attributes]:
    account = name.split(":")
    if len(account) == 4 and name.startswith("system:serviceaccount:"):
        yield Attributes(verb="impersonate", resource="serviceaccounts", namespace=account[2], name=account[3])
    else:
        yield Attributes(verb="impersonate", resource="users", name=name)
    for group in groups:
        yield Attributes(verb="impersonate", resource="groups", name=group)
    reviews = "authentication.k8s.io"
    for key, value in extra:
        yield Attributes(verb="impersonate", group=reviews, resource="userextras", subresource=key, name=value)
    if uid:
        yield Attributes(verb="impersonate", group=reviews, resource="uids", name=uid)


def _groups(name: str, given: list[str]) -> tuple[str, ...]:
    account = name.split(":")
    groups = list(given)
    if not groups and len(account) == 4 and name.startswith("system:serviceaccount:"):
        groups = ["system:serviceaccounts", f"system:serviceaccounts:{account[2]}"]
    if name == ANONYMOUS.username:
        return tuple(groups if _UNAUTHENTICATED in groups else [*groups, _UNAUTHENTICATED])
    told = _AUTHENTICATED in groups or _UNAUTHENTICATED in groups
    return tuple(groups if told else [*groups, _AUTHENTICATED])
