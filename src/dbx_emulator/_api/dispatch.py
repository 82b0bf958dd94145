"""The way of a request: route, early faults, credentials, faults around the handler, journal, reply."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import ClassVar

from dbx_emulator._api.calls import MAX_BODY_BYTES, Call, Route, Service
from dbx_emulator._api.effects import EFFECTS, Answer, Struck
from dbx_emulator._api.errors import (
    error_reply,
    invalid_token,
    no_credentials,
    request_too_large,
)
from dbx_emulator._api.messages import Reply, Request
from dbx_emulator._api.router import ROUTES, is_control, no_route
from dbx_emulator._core.errors import ApiError, UsageError
from dbx_emulator._core.faults import Fault, FaultCall
from dbx_emulator._core.principals import Principal
from dbx_emulator._core.redaction import find_secrets, redact_quotes

__all__ = ["Dispatcher", "bearer_token"]


class Dispatcher:
    """Answers the requests of one workspace, one at a time.

    Args:
        service: What the handlers work on.
    """

    #: What of it a snapshot holds.
    STATE: ClassVar[tuple[str, ...]] = ("_requests",)

    def __init__(self, *, service: Service) -> None:
        self._service = service
        self._tokens = service.control.tokens
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
        token = bearer_token(call.request)
        seen = self._look(route, call, token) if self._faults.watches(route.name) else None
        fault = None
        if seen is not None and self._faults.watches_early(route.name):
            principal = self._tokens.principal(token)
            seen.principal = None if principal is None else principal.value
            fault = self._faults.striking(seen, is_early=True)
        try:
            call.principal = self._admit(route, call.request, token)
        except ApiError as error:
            deliver = partial(self._refuse, error, path)
        else:
            if seen is None:
                # What a client that polls waits for, unless somebody armed a fault.
                answer = self._deliver(route, call, path)
                self._record(route, call, path, answer, None)
                return answer.reply
            deliver = partial(self._deliver, route, call, path)
            seen.principal = call.principal.value
            # Asked even if one has struck already: every rule counts every call.
            late = self._faults.striking(seen)
            fault = fault or late
        if fault is None or seen is None:
            answer = deliver()
            if seen is not None and answer.error_code is None:
                self._faults.told(seen, answer.reply.body)
        else:
            refuse = partial(self._refuse, path=path)
            struck = Struck(seen, deliver, refuse, self._service.workspace_id)
            answer = EFFECTS[type(fault)](fault, struck)
        self._record(route, call, path, answer, fault)
        return answer.reply

    def _look(self, route: Route, call: Call, token: str | None) -> FaultCall:
        """Return a call as faults see it."""
        request = call.request
        seen = FaultCall(
            route.name,
            self._clock.now_ms,
            call.version,
            request.method,
            request.target,
            request.body,
            token,
            is_reused=request.is_reused,
            in_flight=request.in_flight,
        )
        if route.subject is not None:
            # What cannot be read is about no run; the handler will say what is wrong with it.
            with suppress(ApiError):
                route.subject(call, seen)
        return seen

    def _deliver(self, route: Route, call: Call, path: str) -> Answer:
        """Do what was asked."""
        try:
            answer = Answer(Reply(200, route.handler(call), route.headers))
        except ApiError as error:
            return self._refuse(error, path)
        if route.method == "POST" and call.job_run is not None:
            self._faults.wrote(call.job_run.run_id)
        return answer

    def _record(self, route: Route, call: Call, path: str, answer: Answer, fault: Fault | None) -> None:
        job_run = call.job_run
        self._journal.record(
            now_ms=self._clock.now_ms,
            method=call.request.method,
            path=path,
            route=route.name,
            run_id=None if job_run is None else job_run.run_id,
            status_code=answer.reply.status_code,
            error_code=answer.error_code,
            fault=None if fault is None else fault.kind,
            states=(call.state_before, None if job_run is None else job_run.life_cycle_state),
            note=_note(answer, call),
            said=call.request,
            told=answer.reply,
            scenario=None if job_run is None else job_run.step,
        )

    def _answer_control(self, route: Route, call: Call) -> Reply:
        try:
            self._admit(route, call.request, bearer_token(call.request))
            return Reply(200, route.handler(call), route.headers)
        except UsageError as error:
            return self._refuse(ApiError(400, "INVALID_PARAMETER_VALUE", str(error))).reply
        except ApiError as error:
            return self._refuse(error).reply

    def _answer_unknown(self, request: Request, path: str) -> Reply:
        try:
            self._admit(None, request, bearer_token(request))
            error = no_route(request.method, path)
        except ApiError as refusal:
            error = refusal
        answer = self._refuse(error, path)
        if is_control(path):
            return answer.reply
        # Whoever reads the journal reads the path, and a client in trouble may have its token in there.
        shown = str(redact_quotes(path, find_secrets(request.headers, "", b"")))
        self._journal.record(
            now_ms=self._clock.now_ms,
            method=request.method,
            path=shown,
            route="",
            run_id=None,
            status_code=error.status_code,
            error_code=error.error_code,
            fault=None,
            states=(None, None),
            said=request,
            told=answer.reply,
        )
        return answer.reply

    def _admit(self, route: Route | None, request: Request, token: str | None) -> Principal:
        """Return who calls; refuse wrong credentials and more body than the service takes."""
        is_public = route is not None and route.is_public
        principal = Principal.USER if is_public else self._authenticate(token)
        most = MAX_BODY_BYTES if route is None else route.most_bytes
        if request.is_truncated or len(request.body) > most:
            raise request_too_large(most)
        return principal

    def _authenticate(self, token: str | None) -> Principal:
        if token is None:
            raise no_credentials()
        principal = self._tokens.principal(token)
        if principal is None:
            known = self._tokens.find(token)
            raise invalid_token() if known is None else invalid_token(known.refusal)
        return principal

    def _refuse(self, error: ApiError, path: str = "") -> Answer:
        request_id = f"00000000-0000-4000-8000-{self._requests:012x}"
        return Answer(error_reply(error, request_id=request_id, path=path), error.error_code)


def _note(answer: Answer, call: Call) -> str | None:
    """Return what the author of a test may want to know about a call."""
    if not call.notes:
        return answer.note
    return "; ".join([*([answer.note] if answer.note else []), *call.notes])


def bearer_token(request: Request) -> str | None:
    """Return the token that a request brings, or `None` if it brings none."""
    authorization = request.header(b"authorization")
    if authorization is None or not authorization.startswith(b"Bearer "):
        return None
    return authorization[7:].decode("latin-1").strip()
