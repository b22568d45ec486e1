"""A request goes to the function that answers it: discovery, documents, probes, resources and their subresources.

`Api.handle` never raises ApiStatus; it turns it into its answer. Called by server.py and, without any network, by
tests.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from edged.sandbox.admission.webhook_admission import Admission
from edged.sandbox.authorization import reviews
from edged.sandbox.authorization.service_accounts import user_of
from edged.sandbox.cluster import Cluster
from edged.sandbox.controllers.controllers import Controllers
from edged.sandbox.custom.converter import Converter
from edged.sandbox.protocol import documents
from edged.sandbox.protocol.api_status import ApiStatus, method_not_allowed
from edged.sandbox.protocol.negotiation import check_route, encoded, negotiate
from edged.sandbox.protocol.request import Request, Response, Target, User, parse_target, refused, verb_of
from edged.sandbox.protocol.warning_headers import warning_headers
from edged.sandbox.reading import reads, watches
from edged.sandbox.writing import subresources
from edged.sandbox.writing.lifecycle import Lifecycle
from edged.sandbox.writing.writer import Writer


class Answers(Protocol):
    """Whatever answers requests: the API, or what stands before it."""

    async def handle(self, request: Request) -> Response: ...


class Api:
    """The API as a function from request to response."""

    def __init__(self, cluster: Cluster, admission: Admission, converter: Converter) -> None:
        self.cluster = cluster
        self.converter = converter
        self.lifecycle = Lifecycle(cluster)
        self.writer = Writer(cluster, admission, self.lifecycle, converter)
        self.controllers = Controllers(cluster, self.lifecycle)

    async def handle(self, request: Request) -> Response:
        request = _of_its_user(self.cluster, request)
        try:
            response = await self._route(request)
        except ApiStatus as refusal:
            response = refused(refusal)
        self.controllers.run()
        return encoded(request, response)

    async def _route(self, request: Request) -> Response:
        target = parse_target(self.cluster.registry, request.path)
        if target is not None and target.resource.deprecation:
            return await self._deprecated(target, request)
        if target is not None:
            return await self._served(target, request)
        return documents.answer(self.cluster, request)

    async def _deprecated(self, target: Target, request: Request) -> Response:
        """Every answer in a deprecated version says so, refusals too."""
        try:
            response = await self._served(target, request)
        except ApiStatus as refusal:
            response = refused(refusal)
        response.headers[:0] = warning_headers([target.resource.deprecation])
        return response

    async def _served(self, target: Target, request: Request) -> Response:
        return await self.converter.answered(target, request.method, lambda: self._resource(target, request))

    async def _resource(self, target: Target, request: Request) -> Response:
        if target.subresource:
            return await subresources.handle(self.cluster, self.writer, target, request)
        if "get" not in target.resource.verbs:
            return reviews.answer(self.cluster, target, request)
        _check_accept(target, request)
        if request.method == "GET" and verb_of(request, target) == "watch":
            return watches.start(self.cluster, self.converter, target, request)
        match request.method:
            case "GET" if target.name:
                return reads.get(self.cluster, target, request)
            case "GET":
                return reads.list_objects(self.cluster, target, request)
            case "POST" if target.in_one_place:
                return await self.writer.create(target, request)
            case "PUT" if target.name:
                return await self.writer.update(target, request)
            case "PATCH" if target.name:
                return await self.writer.patch(target, request)
            case "DELETE" if target.name:
                return await self.writer.delete(target, request)
            case "DELETE" if target.in_one_place and "deletecollection" in target.resource.verbs:
                return await self.writer.delete_collection(target, request)
        raise method_not_allowed()


def _of_its_user(cluster: Cluster, request: Request) -> Request:
    """A token of a service account is believed; with any other everybody is the administrator."""
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    if request.user != User() or kind.lower() != "bearer" or token.count(".") != 2:
        return request
    user = user_of(cluster, token.strip())
    return request if user is None else replace(request, user=user)


def _check_accept(target: Target, request: Request) -> None:
    """Before anything happens, because a write must not be refused after it was stored. Raises 406."""
    custom = target.resource.custom
    if not custom:
        check_route(request, streams=request.method == "GET" and not target.name)
    if request.method != "GET":
        negotiate(request, custom=custom)
