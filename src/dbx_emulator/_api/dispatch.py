"""The way of a request: route, credentials, faults before, handler, faults after, journal, reply."""

from __future__ import annotations

from dbx_emulator._api.calls import Call, Route, Service
from dbx_emulator._api.errors import (
    JSON_HEADERS,
    error_reply,
    invalid_token,
    no_credentials,
    request_too_large,
)
from dbx_emulator._api.messages import Reply, Request, Reset
from dbx_emulator._api.router import ROUTES, no_route
from dbx_emulator._core.errors import ApiError, UsageError
from dbx_emulator._core.faults import Fault, LostResponse, StatusFault

__all__ = ["MAX_BODY_BYTES", "Dispatcher"]

#: Source: [requests.max-body] documented: Databricks documentation, Jobs API (requests of at most 10 MB)
MAX_BODY_BYTES = 10 * 1024 * 1024


class Dispatcher:
    """Answers the requests of one workspace, one at a time.

    Args:
        service: What the handlers work on.
        tokens: Which bearer tokens open the workspace; may grow while it lives.
    """

    def __init__(self, *, service: Service, tokens: set[str]) -> None:
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
            self._check(route, call.request)
            fault = self._faults.striking(route.name)
            _strike(fault)
            reply = Reply(200, route.handler(call), JSON_HEADERS)
        except ApiError as error:
            reply = self._refuse(error, fault)
            error_code = error.error_code
        if isinstance(fault, LostResponse):
            reply.wire = (Reset(),)
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
            self._check(route, call.request)
            return Reply(200, route.handler(call), JSON_HEADERS)
        except UsageError as error:
            return self._refuse(ApiError(400, "INVALID_PARAMETER_VALUE", str(error)))
        except ApiError as error:
            return self._refuse(error)

    def _answer_unknown(self, request: Request, path: str) -> Reply:
        try:
            self._check(None, request)
            error = no_route(request.method, path)
        except ApiError as refusal:
            error = refusal
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

    def _check(self, route: Route | None, request: Request) -> None:
        """Refuse a request without the right credentials or with more body than the service takes."""
        if route is None or not route.is_public:
            authorization = request.header(b"authorization")
            if authorization is None or not authorization.startswith(b"Bearer "):
                raise no_credentials()
            if authorization[7:].decode("latin-1").strip() not in self._tokens:
                raise invalid_token()
        if request.is_truncated or len(request.body) > MAX_BODY_BYTES:
            raise request_too_large(MAX_BODY_BYTES)

    def _refuse(self, error: ApiError, fault: Fault | None = None) -> Reply:
        headers = fault.headers if isinstance(fault, StatusFault) else {}
        lines = tuple((name.lower().encode(), value.encode()) for name, value in headers.items())
        request_id = f"00000000-0000-4000-8000-{self._requests:012x}"
        return error_reply(error, request_id=request_id, headers=lines)


def _strike(fault: Fault | None) -> None:
    """Raise the error that a fault puts in the place of the answer, if it does so before the handler."""
    if isinstance(fault, StatusFault):
        raise ApiError(fault.status_code, *fault.error())
