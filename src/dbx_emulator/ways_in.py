"""The doors of a workspace, as its methods; each loads its library when it is used."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from dbx_emulator._api.messages import Reply, Request
from dbx_emulator._core.clock import Clock
from dbx_emulator._core.errors import UsageError
from dbx_emulator._core.faults import Gate
from dbx_emulator._core.tokens import Tokens
from dbx_emulator.doors.missing import needs

if TYPE_CHECKING:
    from respx import Router

    from dbx_emulator.doors._httpx import HttpxTransport
    from dbx_emulator.doors._httpx2 import Httpx2Transport
    from dbx_emulator.doors._requests import RequestsAdapter
    from dbx_emulator.doors.asgi import AsgiApp
    from dbx_emulator.doors.server import RunningServer

__all__ = ["WaysIn"]


class WaysIn(ABC):
    """How clients come to what answers at a URL.

    Attributes:
        url: Where it is.
        host: The host it answers for, with its port if it has one.
        token: What opens it.
        clock: Its time.
        gate: Who gets in at all.
    """

    url: str
    host: str
    clock: Clock
    gate: Gate
    _tokens: Tokens

    @property
    @abstractmethod
    def token(self) -> str:
        """The token that clients are given."""

    @abstractmethod
    def handle(self, request: Request) -> Reply:
        """Answer one request, at once."""

    @abstractmethod
    def pass_time(self, ms: int) -> None:
        """Let virtual milliseconds pass that a client in process spends waiting."""

    @abstractmethod
    def hold(self, name: str) -> AbstractContextManager[None]:
        """Return a context in which a request from a socket keeps sleepers from moving time."""

    @abstractmethod
    def real_seconds(self, ms: int) -> float:
        """Return how long virtual milliseconds are for a client at a socket."""

    def transport(self) -> HttpxTransport:
        """Return a transport for `httpx.Client(transport=…)` and `httpx.AsyncClient(transport=…)`."""
        from dbx_emulator.doors._httpx import HttpxTransport

        return HttpxTransport(self)

    def httpx2_transport(self) -> Httpx2Transport:
        """Return a transport for `httpx2.Client(transport=…)` and `httpx2.AsyncClient(transport=…)`.

        Raises:
            ImportError: httpx2 is missing.
        """
        with needs("httpx2"):
            from dbx_emulator.doors._httpx2 import Httpx2Transport
        return Httpx2Transport(self)

    def requests_adapter(self, **options: Any) -> RequestsAdapter:
        """Return an adapter for `session.mount(workspace.url, …)` of requests.

        Args:
            options: What `requests.adapters.HTTPAdapter` takes, such as `max_retries`.

        Raises:
            ImportError: requests is missing.
        """
        with needs("requests"):
            from dbx_emulator.doors._requests import RequestsAdapter
        return RequestsAdapter(self, **options)

    def mount(self, router: Router) -> None:
        """Let a router of respx answer for the workspace's host, beside routes of your own.

        respx takes the first route that matches: routes of your own for the same host are added before. A
        workspace that was not called does not trouble `assert_all_called`.

        Raises:
            UsageError: Another workspace is mounted there for that host.
            ImportError: respx is missing.
        """
        with needs("respx"):
            from dbx_emulator.doors._respx import mount
        mount(self, router)

    @contextmanager
    def intercept(
        self,
        *,
        threads: Iterable[str] = (),
        modules: Iterable[str] = (),
        patience_seconds: float | None = 10.0,
    ) -> Iterator[None]:
        """Let this process's HTTP clients reach the workspace at its URL while the context is open.

        Clients made before count too. Other Databricks hosts are refused, other hosts are left alone. The
        variables by which clients find a workspace are set to this one, and put back at the end.

        If the clock's policy is `sleeping`, sleeping moves it meanwhile: in the thread that entered, and in the
        tasks made under it, on whichever loop.

        Args:
            threads: Patterns for the names of further threads whose sleep moves the clock: `"poller-*"`.
            modules: Modules in which `sleep`, `time` and `monotonic` go by the clock, whatever their thread.
            patience_seconds: Real seconds that a sleeper waits for time to move before it is told who holds it;
                `None` waits without end.

        Raises:
            UsageError: Another workspace answers for the host already, there is no such module, or the clock's
                policy is not `sleeping` and the arguments are about sleepers.
        """
        from dbx_emulator.doors.environment import environment, replace_token
        from dbx_emulator.doors.intercept import intercept

        with ExitStack() as stack:
            stack.enter_context(intercept(self))
            stack.enter_context(environment(url=self.url, token=self.token))
            stack.enter_context(self._tokens.followed(replace_token))
            if self.clock.policy == "sleeping":
                from dbx_emulator.doors.virtual_sleep import virtual_sleep

                sleeping = virtual_sleep(
                    self.clock,
                    host=self.host,
                    threads=threads,
                    modules=modules,
                    patience_seconds=patience_seconds,
                )
                stack.enter_context(sleeping)
            elif tuple(threads) or tuple(modules):
                raise UsageError(
                    f"threads and modules are about sleepers, and a clock with the policy {self.clock.policy!r} "
                    "is not moved by any; give the workspace Clock('sleeping')"
                )
            yield

    def asgi(self) -> AsgiApp:
        """Return the workspace as an ASGI application."""
        from dbx_emulator.doors.asgi import AsgiApp

        return AsgiApp(self)

    def serve(self, *, port: int = 0, tls: bool = False) -> AbstractContextManager[RunningServer]:
        """Return a context in which the workspace listens on a loopback port.

        Args:
            port: The port, 0 for any free one.
            tls: Whether to speak HTTPS. The value of the context then has the certificate to trust, `ca_pem`;
                the server's own names `localhost`, `127.0.0.1` and the workspace's host.

        Raises:
            UsageError: On entering, if the port is taken.
            ModuleNotFoundError: On entering, if uvicorn or, for HTTPS, trustme is missing.
        """
        from dbx_emulator.doors.server import serve_in_thread

        return serve_in_thread(self, port=port, tls=tls)
