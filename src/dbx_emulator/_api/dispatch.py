"""The way of a request: route, early faults, credentials, faults around the handler, journal, reply."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache, partial
from typing import ClassVar

from dbx_emulator._api.calls import Call, Service
from dbx_emulator._api.effects import EFFECTS, Struck
from dbx_emulator._api.errors import (
    error_reply,
    invalid_token,
    no_credentials,
    request_too_large,
)
from dbx_emulator._api.messages import Headers, Reply, Request, find_header
from dbx_emulator._api.router import ROUTES, nowhere
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
        self._drain = service.engine.drain
        self._tokens = service.control.tokens
        self._faults = service.control.faults
        self._journal = service.control.journal
        self._clock = service.control.clock
        self._requests = 0

    def dispatch(self, request: Request) -> Reply:
        """Answer one request."""
        self._requests += 1
        self._drain()
        path, _, query = request.target.partition("?")
        route, version = ROUTES.get((request.method, path)) or nowhere(path)
        request.headers, token = _read(tuple(request.headers))
        call = Call(request, route, path, query, version, self._service)
        if route.is_control:
            return self._answer_control(call, token)
        fault = None
        try:
            if self._faults.watches(route.name):
                reply, fault = self._meet_faults(call, token)
            else:
                # What a client that polls waits for, unless somebody armed a fault.
                call.principal = self._admit(call, token)
                reply = self._deliver(call)
        except ApiError as error:
            reply = self._refuse(error, path)
        self._record(call, reply, fault)
        return reply

    def _meet_faults(self, call: Call, token: str | None) -> tuple[Reply, Fault | None]:
        """Do what was asked, or what the fault does that strikes the call."""
        route = call.route.name
        seen = self._look(call, token)
        fault = None
        if self._faults.watches_early(route):
            principal = self._tokens.principal(token)
            seen.principal = None if principal is None else principal.value
            fault = self._faults.striking(seen, is_early=True)
        refuse = partial(self._refuse, path=call.path)
        try:
            call.principal = self._admit(call, token)
        except ApiError as error:
            deliver = partial(refuse, error)
        else:
            deliver = partial(self._deliver, call)
            seen.principal = call.principal.value
            # Asked even if one has struck already: every rule counts every call.
            late = self._faults.striking(seen)
            fault = fault or late
        if fault is not None:
            struck = Struck(seen, deliver, refuse, self._service.workspace_id)
            return EFFECTS[type(fault)](fault, struck), fault
        reply = deliver()
        if reply.error_code is None:
            self._faults.told(seen, reply.body)
        return reply, None

    def _look(self, call: Call, token: str | None) -> FaultCall:
        """Return a call as faults see it."""
        request, route = call.request, call.route
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

    def _deliver(self, call: Call) -> Reply:
        """Do what was asked."""
        route = call.route
        try:
            reply = Reply(200, route.handler(call), route.headers)
        except ApiError as error:
            return self._refuse(error, call.path)
        if route.method == "POST" and call.job_run is not None:
            self._faults.wrote(call.job_run.run_id)
        return reply

    def _record(self, call: Call, reply: Reply, fault: Fault | None) -> None:
        request, job_run = call.request, call.job_run
        self._journal.record(
            now_ms=self._clock.now_ms,
            method=request.method,
            path=call.path if call.route.name else _without_credentials(call),
            route=call.route.name,
            run_id=None if job_run is None else job_run.run_id,
            status_code=reply.status_code,
            error_code=reply.error_code,
            fault=None if fault is None else fault.kind,
            states=(call.state_before, None if job_run is None else job_run.state.life_cycle_state),
            note=_join(reply.note, call.notes) if call.notes else reply.note,
            said=request,
            told=reply,
            scenario=None if job_run is None else job_run.step,
        )

    def _answer_control(self, call: Call, token: str | None) -> Reply:
        route = call.route
        try:
            self._admit(call, token)
            return Reply(200, route.handler(call), route.headers)
        except UsageError as error:
            return self._refuse(ApiError(400, "INVALID_PARAMETER_VALUE", str(error)), call.path)
        except ApiError as error:
            return self._refuse(error, call.path)

    def _admit(self, call: Call, token: str | None) -> Principal:
        """Return who calls; refuse wrong credentials and more body than the service takes."""
        request, route = call.request, call.route
        principal = Principal.USER if route.is_public else self._tokens.principal(token)
        if principal is None:
            raise self._describe_refusal(token)
        if request.is_truncated or len(request.body) > route.most_bytes:
            raise request_too_large(route.most_bytes)
        return principal

    def _describe_refusal(self, token: str | None) -> ApiError:
        """Return what is said to a token that opens nothing."""
        if token is None:
            return no_credentials()
        known = self._tokens.find(token)
        return invalid_token() if known is None else invalid_token(known.refusal)

    def _refuse(self, error: ApiError, path: str) -> Reply:
        request_id = f"00000000-0000-4000-8000-{self._requests:012x}"
        return error_reply(error, request_id=request_id, path=path)


def _join(note: str | None, notes: Sequence[str]) -> str:
    return "; ".join([*([note] if note else []), *notes])


def _without_credentials(call: Call) -> str:
    """Return a path that nothing serves, for the journal: a client in trouble may have its token there."""
    return str(redact_quotes(call.path, find_secrets(call.request.headers, "", b"")))


def bearer_token(headers: Headers) -> str | None:
    """Return the token that header lines bring, or `None` if they bring none."""
    authorization = find_header(headers, b"authorization")
    if authorization is None or not authorization.startswith(b"Bearer "):
        return None
    return authorization[7:].decode("latin-1").strip()


# A client that polls says the same in each head: it is read once, and the journal keeps one of them all.
@lru_cache(maxsize=1_024)
def _read(headers: Headers) -> tuple[Headers, str | None]:
    return headers, bearer_token(headers)
