"""One call on its way through: what the handlers are given and what they leave behind for the journal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from dbx_emulator._api.codec import Codec, Version
from dbx_emulator._api.control import Control
from dbx_emulator._api.decoding import decode_body, decode_query, unknown_in_body
from dbx_emulator._api.errors import JSON_HEADERS
from dbx_emulator._api.messages import Headers, Request
from dbx_emulator._api.validation import USUAL_RULES, Rules
from dbx_emulator._core.engine import Engine
from dbx_emulator._core.faults import FaultCall
from dbx_emulator._core.principals import Principal
from dbx_emulator._core.runs import JobRun
from dbx_emulator._core.states import LifeCycleState

__all__ = ["MAX_BODY_BYTES", "Call", "Credentials", "Handler", "Route", "Service", "Subject"]

#: Source: [requests.max-body] documented: Databricks documentation, Jobs API (requests of at most 10 MB)
MAX_BODY_BYTES = 10 * 1024 * 1024

T = TypeVar("T")


class Credentials(NamedTuple):
    """By what a client says who it is."""

    client_id: str
    client_secret: str


@dataclass(frozen=True, slots=True)
class Service:
    """What handlers work on.

    Attributes:
        engine: The runs.
        codec: Their rendering.
        control: What the test's author may do.
        host_metadata: The body of /.well-known/databricks-config.
        workspace_id: The number of the workspace.
        url: The URL of the workspace.
        credentials: The one client that gets tokens.
        rules: Which of the service's ways are followed where they have changed.
    """

    engine: Engine
    codec: Codec
    control: Control
    host_metadata: bytes
    workspace_id: int
    url: str
    credentials: Credentials
    rules: Rules = USUAL_RULES


@dataclass(slots=True)
class Call:
    """One call of one route.

    Attributes:
        request: What came in.
        route: What is called.
        path: The path of the target, percent-encoded.
        query: The query of the target, percent-encoded.
        version: The API version of the path.
        service: What to work on.
        principal: Who calls.
        job_run: The run the call turned out to be about, for the journal.
        state_before: That run's life-cycle state before the call; `None` if there was no run.
        notes: What the author of a test may want to know about the call: fields that were ignored.
    """

    request: Request
    route: Route
    path: str
    query: str
    version: Version
    service: Service
    principal: Principal = Principal.USER
    job_run: JobRun | None = None
    state_before: LifeCycleState | None = None
    notes: Sequence[str] = ()

    def parameters(self, struct: type[T]) -> T:
        """Return the parameters of a GET.

        Raises:
            ApiError: They are not what `struct` says.
        """
        parameters, self.notes = decode_query(self.query, self.request.body, struct)
        return parameters

    def body(self, struct: type[T]) -> T:
        """Return the body of a POST.

        Raises:
            ApiError: It is not what `struct` says.
        """
        body = decode_body(self.request.body, struct)
        self.notes = unknown_in_body(self.request.body, struct)
        return body


#: Answers a call with the body of a 200.
Handler = Callable[[Call], bytes]

#: Writes down for the faults which run a call is about, without changing anything.
Subject = Callable[[Call, FaultCall], None]


@dataclass(frozen=True, slots=True)
class Route:
    """Something that can be called.

    Attributes:
        name: What the journal and faults call it, without version: `runs/submit`.
        method: The HTTP method.
        handler: Who answers.
        subject: Who knows which run a call is about; `None` if it is about none.
        headers: The headers of its answer.
        is_public: Whether it is answered without credentials.
        is_control: Whether it steers the emulator; then no fault strikes it and the journal leaves it out.
        most_bytes: How large a body it takes.
    """

    name: str
    method: str
    handler: Handler
    subject: Subject | None = None
    headers: Headers = JSON_HEADERS
    is_public: bool = False
    is_control: bool = False
    most_bytes: int = MAX_BODY_BYTES
