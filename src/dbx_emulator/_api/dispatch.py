"""The way of a request: route, credentials, faults before, handler, faults after, journal, reply."""

from __future__ import annotations

from collections.abc import Mapping

from dbx_emulator._api.calls import Call, Route, Service
from dbx_emulator._api.errors import (
    JSON_HEADERS,
    error_reply,
    invalid_token,
    no_credentials,
    request_too_large,
)
from dbx_emulator._api.messages import Reply, Request, Reset
from dbx_emulator._api.router import ROUTES, is_control, no_route
from dbx_emulator._api.wire import WIRES
from dbx_emulator._core.errors import ApiError, UsageError
from dbx_emulator._core.faults import Fault, LostResponse, StatusFault, WireFault
from dbx_emulator._core.principals import Principal

__all__ = ["MAX_BODY_BYTES", "Dispatcher", "bearer_token"]

#: Source: [requests.max-body] documented: Databricks documentation, Jobs API (requests of at most 10 MB)
MAX_BODY_BYTES = 10 * 1024 * 1024


class Dispatcher:
    """Answers the requests of one workspace, one at a time.

    Args:
        service: What the handlers work on.
        tokens: Which bearer tokens open the workspace, and for whom; may grow while it lives.
    """

    def __init__(self, *, service: Service, tokens: Mapping[str, Principal]) -> None:
        self._service = service
        self._tokens = tokens
        self._faults = service.control.faults
        self._journal = service.control.journal
        self._clock = service.control.clock
        self._requests = 0

    def dispatch(self, request: Request) -> Reply:
        """Answer one request."""
        self._requests += 1
        self._service.engine.drain()
        path, _, query = request.target.partition("?")
        match = ROUTES.get((request.method, path))
        if match is None:
            return self._answer_unknown(request, path)
        route, version = match
        call = Call(request, query, version, self._service)
        if route.is_control:
            return self._answer_control(route, call)
        return self._answer(route, call, path)

    def _answer(self, route: Route, call: Call, path: str) -> Reply:
        fault: Fault | None = None
        error_code: str | int | None = None
        try:
            call.principal = self._admit(route, call.request)
            fault = self._faults.striking(route.name)
            _strike(fault)
            reply = Reply(200, route.handler(call), JSON_HEADERS)
        except ApiError as error:
            reply = self._refuse(error, fault)
            error_code = error.error_code
        _spoil(reply, fault)
        job_run = call.job_run
        self._journal.record(
            now_ms=self._clock.now_ms,
            method=call.request.method,
            path=path,
            route=route.name,
            run_id=None if job_run is None else job_run.run_id,
            status_code=reply.status_code,
            error_code=error_code,
            fault=None if fault is None else fault.kind,
            states=(call.state_before, None if job_run is None else job_run.life_cycle_state),
        )
        return reply

    def _answer_control(self, route: Route, call: Call) -> Reply:
        try:
            self._admit(route, call.request)
            return Reply(200, route.handler(call), JSON_HEADERS)
        except UsageError as error:
            return self._refuse(ApiError(400, "INVALID_PARAMETER_VALUE", str(error)))
        except ApiError as error:
            return self._refuse(error)

    def _answer_unknown(self, request: Request, path: str) -> Reply:
        try:
            self._admit(None, request)
            error = no_route(request.method, path)
        except ApiError as refusal:
            error = refusal
        if is_control(path):
            return self._refuse(error)
        self._journal.record(
            now_ms=self._clock.now_ms,
            method=request.method,
            path=path,
            route="",
            run_id=None,
            status_code=error.status_code,
            error_code=error.error_code,
            fault=None,
            states=(None, None),
        )
        return self._refuse(error)

    def _admit(self, route: Route | None, request: Request) -> Principal:
        """Return who calls; refuse wrong credentials and more body than the service takes."""
        principal = Principal.USER
        if route is None or not route.is_public:
            token = bearer_token(request)
            if token is None:
                raise no_credentials()
            principal = self._tokens.get(token, Principal.EXPIRED)
            if principal is Principal.EXPIRED:
                raise invalid_token()
        if request.is_truncated or len(request.body) > MAX_BODY_BYTES:
            raise request_too_large(MAX_BODY_BYTES)
        return principal

    def _refuse(self, error: ApiError, fault: Fault | None = None) -> Reply:
        headers = fault.headers if isinstance(fault, StatusFault) else {}
        lines = tuple((name.lower().encode(), value.encode()) for name, value in headers.items())
        request_id = f"00000000-0000-4000-8000-{self._requests:012x}"
        return error_reply(error, request_id=request_id, headers=lines)


def bearer_token(request: Request) -> str | None:
    """Return the token that a request brings, or `None` if it brings none."""
    authorization = request.header(b"authorization")
    if authorization is None or not authorization.startswith(b"Bearer "):
        return None
    return authorization[7:].decode("latin-1").strip()


def _spoil(reply: Reply, fault: Fault | None) -> None:
    """Change how a reply arrives, as a fault wants it that strikes after the effect."""
    if isinstance(fault, LostResponse):
        reply.wire = (Reset(),)
    elif isinstance(fault, WireFault):
        reply.delay_ms = fault.delay_ms
        reply.wire = WIRES[fault.how](reply)


def _strike(fault: Fault | None) -> None:
    """Raise the error that a fault puts in the place of the answer, if it does so before the handler."""
    if isinstance(fault, StatusFault):
        raise ApiError(fault.status_code, *fault.error())
