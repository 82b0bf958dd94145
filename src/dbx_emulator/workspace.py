"""The workspace: the composition root. It holds the lock, and everything else hangs on it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbx_emulator._api.adjacent import render_host_metadata
from dbx_emulator._api.calls import Credentials, Service
from dbx_emulator._api.codec import Codec
from dbx_emulator._api.control import Control
from dbx_emulator._api.dispatch import Dispatcher
from dbx_emulator._api.messages import Reply, Request
from dbx_emulator._api.router import API_ROUTES
from dbx_emulator._api.snapshots import Snapshots
from dbx_emulator._api.stall import StallGuard
from dbx_emulator._api.validation import Rules
from dbx_emulator._core.clock import Clock
from dbx_emulator._core.draws import Draws
from dbx_emulator._core.durations import Duration
from dbx_emulator._core.engine import Engine
from dbx_emulator._core.errors import UsageError
from dbx_emulator._core.faults import Faults, Gate, Profile
from dbx_emulator._core.journal import Journal
from dbx_emulator._core.outcomes import Timing
from dbx_emulator._core.principals import Principal
from dbx_emulator._core.scenarios import Scenario, Scenarios
from dbx_emulator._core.tokens import Tokens
from dbx_emulator.agenda import WorkspaceAgenda
from dbx_emulator.catalogue import CATALOGUE
from dbx_emulator.doors.callers import describe_caller
from dbx_emulator.hosts import parse_host
from dbx_emulator.runs_view import RunsView
from dbx_emulator.ways_back import WaysBack
from dbx_emulator.ways_in import WaysIn

if TYPE_CHECKING:
    from dbx_emulator.histories import History
    from dbx_emulator.testing.expect import Expectations
    from dbx_emulator.testing.lint import Lint

__all__ = [
    "DEFAULT_CLIENT_ID",
    "DEFAULT_CLIENT_SECRET",
    "DEFAULT_TOKEN",
    "DEFAULT_URL",
    "DEFAULT_WORKSPACE_ID",
    "Workspace",
]

#: Where a workspace is in process unless told otherwise: a name that ends as real ones do, answered here alone.
DEFAULT_URL = "https://dbx-emulator.cloud.databricks.com"

#: The token that opens a workspace unless told otherwise. It looks like no real one.
DEFAULT_TOKEN = "dbx-emulator-token"  # noqa: S105 - opens nothing but an emulator

#: The machine that gets tokens by OAuth unless told otherwise, and its secret. They look like no real ones.
DEFAULT_CLIENT_ID = "dbx-emulator-client"
DEFAULT_CLIENT_SECRET = "dbx-emulator-secret"  # noqa: S105 - opens nothing but an emulator

#: The number of a workspace unless told otherwise.
DEFAULT_WORKSPACE_ID = 900_800_700_600


class Workspace(WaysIn, WaysBack):
    """An emulated Databricks workspace.

    Args:
        host: Its URL, `https://…` or `http://…` without a path.
        clock: Its time; by default one that stands still until it is moved or, while the workspace intercepts,
            the code under test sleeps, that ends after 30 days, and under which one target may be read 1,000
            times at one moment.
        timing: How long the stages of a run take unless a scenario says otherwise.
        token: The bearer token that opens it.
        further_tokens: More tokens that open it.
        seed: What chance is drawn from, any whole number: the same seed gives the same draws.
        workspace_id: Its number, as in links and in the header X-Databricks-Workspace-Id.
        client_id: The machine that gets tokens by OAuth; every token it is given opens this workspace.
        client_secret: Its secret.
        notebook_environments: Whether a serverless notebook task may name an environment, as today; until 2025
            the service refused it.

    Attributes:
        clock: Its time: `advance("5m")`, `now_ms`, `sleep`, `time`.
        draws: Where chance comes from.
        scenarios: What happens to runs: `add("etl-*", [Outcome(…)])`, `use("spot_loss", "etl-*")`.
        faults: What happens to calls: `add(StatusFault("runs/get", status_code=429))`.
        journal: What was called, oldest first.
        runs: The runs, by id.

    Raises:
        UsageError: `host` is no such URL, the token, the client's id or its secret is empty, or the seed is no
            whole number.
    """

    def __init__(
        self,
        host: str = DEFAULT_URL,
        *,
        clock: Clock | None = None,
        timing: Timing | None = None,
        token: str = DEFAULT_TOKEN,
        further_tokens: Iterable[str] = (),
        seed: int = 0,
        workspace_id: int = DEFAULT_WORKSPACE_ID,
        client_id: str = DEFAULT_CLIENT_ID,
        client_secret: str = DEFAULT_CLIENT_SECRET,
        notebook_environments: bool = True,
    ) -> None:
        self.url, self.host = parse_host(host)
        if not token:
            raise UsageError("token: an empty token opens nothing; leave it out for the usual one")
        if not (client_id and client_secret):
            raise UsageError("client_id, client_secret: a client without one of them gets no token")
        timing, further_tokens = timing or Timing(), tuple(further_tokens)
        self.workspace_id = workspace_id
        self.client_id, self.client_secret = client_id, client_secret
        self.clock = clock or Clock("sleeping", end_of_time="30d", stall_after=1_000)
        self.draws = Draws(seed)
        self._tokens = Tokens(token, further=further_tokens, clock=self.clock)
        self._make_parts(timing)
        self._control = self._make_control(
            host=self.url,
            timing=timing,
            token=token,
            further_tokens=further_tokens,
            seed=seed,
            workspace_id=workspace_id,
            client_id=client_id,
            client_secret=client_secret,
            notebook_environments=notebook_environments,
        )
        rules = Rules(allows_notebook_environment=notebook_environments)
        self._dispatcher = Dispatcher(service=self._service(rules))
        self._snapshots.keep((self._dispatcher, self._stall))

    def __repr__(self) -> str:
        return f"<Workspace {self.url} with {len(self.runs)} runs>"

    @property
    def expect(self) -> Expectations:
        """What can be expected of the client: `expect.at_most_once("runs/submit")`, `expect.no_active_runs()`."""
        from dbx_emulator.testing.expect import Expectations

        return Expectations(self)

    @property
    def seed(self) -> int:
        """What chance depends on."""
        return self.draws.seed

    @property
    def headers(self) -> dict[str, str]:
        """The headers that open the workspace."""
        return {"Authorization": f"Bearer {self.token}"}

    @property
    def token(self) -> str:
        """The token that clients are given; after `rotate_token` it is another."""
        return self._tokens.current

    @cached_property
    def lint(self) -> Lint:
        """What judges the clients by their calls: `lint.findings()`, `lint.check()`, `lint.ignore("DBX013")`."""
        from dbx_emulator.testing.lint import Lint

        return Lint(journal=self.journal, runs=lambda: self.runs, clock=self.clock, secret=lambda: self.token)

    def issue_token(
        self,
        principal: Principal | str = Principal.USER,
        *,
        lifetime: Duration | None = None,
        refusal: str = "403-json",
    ) -> str:
        """Return a new token that opens the workspace.

        Args:
            principal: For whom: `user` owns what there is, `guest` sees only the runs it submits, `expired` is
                refused from the beginning.
            lifetime: For how long, in virtual time; `None` for ever.
            refusal: How it is refused afterwards: `403-json` and `403-html` as gateways of today and of former
                days refuse a personal token, `401-json`, or `expiring`, which is refused from 30 s before its end.

        Raises:
            UsageError: There is no such principal or refusal, or the lifetime is no duration.
        """
        return self._tokens.issue(principal, lifetime=lifetime, refusal=refusal)

    def revoke_token(self, token: str) -> None:
        """Let a token open nothing any more; it is refused as it would be at its end.

        Raises:
            UsageError: It never opened this workspace.
        """
        self._tokens.revoke(token)

    def rotate_token(self) -> str:
        """Replace `token` by a new one that opens the same workspace, and return it; the old one is refused.

        `headers` and, while the workspace is intercepted, the environment variables follow.
        """
        return self._tokens.rotate()

    def load_scenarios(self, path: str | Path) -> list[Scenario]:
        """Add the scenarios of a YAML file and return them; all of them, or none if one is wrong.

        Raises:
            UsageError: The file cannot be read, or something in it is wrong; each mistake with line and column.
            ModuleNotFoundError: PyYAML is missing.
        """
        from dbx_emulator.scenario_files import load_scenarios

        return self.scenarios.add_all(load_scenarios(path))

    def populate(self, *, runs: int = 100, over: Duration = "7d", active: int | None = None) -> History:
        """Make a history of some days, until now, and return what was made: jobs, and runs that ended as runs do.

        It is drawn from the seed, made through the API, and not in the journal. The clock moves by `over`.

        Args:
            runs: How many runs, from 1.
            over: How long ago the first was made, when all are.
            active: How many of the last are long ones that still go on; `None` is 3, or all if there are fewer.

        Raises:
            UsageError: A count is none, a fault is armed, or time ends before.
            ModuleNotFoundError: faker is missing.
        """
        from dbx_emulator.histories import populate

        most = min(3, runs) if isinstance(runs, int) else 0
        return populate(self, runs=runs, over=over, active=most if active is None else active)

    def opens(self, token: str) -> bool:
        """Say whether a token has ever been one of this workspace's, expired or not."""
        return token in self._tokens

    def _make_parts(self, timing: Timing) -> None:
        """Make what happens to runs and calls, and what is known of it."""
        # Entered again by the control API, which moves the clock while it answers.
        self._lock = threading.RLock()
        self._on_request: list[Callable[[Request], None]] = []
        self.scenarios = Scenarios(draws=self.draws, catalogue=CATALOGUE)
        self.faults = Faults(API_ROUTES, clock=self.clock, draws=self.draws, on_profile=self._apply_profile)
        self.gate = Gate(self.faults, self.clock)
        # Not time.time(), which goes by the clock where somebody lists the module that uses it.
        self.journal = Journal(real_ns=time.time_ns)
        self._engine = Engine(clock=self.clock, timing=timing, scenarios=self.scenarios, draws=self.draws)
        self._stall = StallGuard(self.clock, who=describe_caller)
        self._agenda = WorkspaceAgenda(self._engine, self._lock)
        self.clock.attach(self._agenda)
        self.runs = RunsView(self._engine, self._lock)

    def _apply_profile(self, profile: Profile) -> None:
        """Do what a profile does besides arming faults."""
        if profile.first_run_id is not None:
            self._engine.store.start_ids_at(profile.first_run_id)
        for match, outcome in profile.scenarios:
            self.scenarios.add(match, [outcome])

    def _service(self, rules: Rules) -> Service:
        """Return what the handlers work on."""
        return Service(
            engine=self._engine,
            codec=Codec(url=self.url, workspace_id=self.workspace_id),
            control=self._control,
            host_metadata=render_host_metadata(url=self.url, workspace_id=self.workspace_id),
            workspace_id=self.workspace_id,
            url=self.url,
            credentials=Credentials(self.client_id, self.client_secret),
            rules=rules,
        )

    def _make_control(self, **made_with: Any) -> Control:
        """Return what a test may do, its way back to a snapshot or to the start included."""
        agreed = {name: value for name, value in made_with.items() if name != "further_tokens"}
        secrets = {name: made_with[name].encode() for name in ("client_secret", "token")}
        self._snapshots = Snapshots(
            made_with=agreed | secrets | {"timing": asdict(made_with["timing"])},
            known={"draws": self.draws},
            guard=self._refuse_shared_time,
        )
        self._snapshots.keep((self.clock, self.scenarios, self.faults, self._tokens, self.journal))
        self._snapshots.keep(self._engine.parts)
        return Control(
            clock=self.clock,
            scenarios=self.scenarios,
            faults=self.faults,
            tokens=self._tokens,
            journal=self.journal,
            snapshots=self._snapshots,
            make_another=lambda: Workspace(**made_with)._snapshots,  # noqa: SLF001 - another one of these
            unlocked=self._unlocked,
            lint=self._describe_findings,
        )

    def _refuse_shared_time(self) -> None:
        if self.clock.is_shared(self._agenda, self.gate):
            raise UsageError(
                "clock: other workspaces live by it too, and for them time cannot become another; give this one a "
                "clock of its own"
            )

    def _describe_findings(self, ignore: list[str]) -> list[dict[str, object]]:
        # Asked for late: judging loads its rules only where somebody wants to know.
        return self.lint.describe(ignore=ignore)

    @contextmanager
    def _unlocked(self) -> Iterator[None]:
        self._lock.release()
        try:
            yield
        finally:
            self._lock.acquire()

    def on_request(self, asked: Callable[[Request], None]) -> None:
        """Have `asked` called with each request before anything else is done; what it raises ends the request."""
        self._on_request.append(asked)

    def handle(self, request: Request) -> Reply:
        """Answer one request. This is the whole engine; everything else is a door onto it. It never waits.

        Raises:
            UsageError: One target was read more often than the clock allows while time stood still, or time ends.
        """
        with self._lock:
            self.gate.hold()
            try:
                for asked in self._on_request:
                    asked(request)
                self._stall.count(request)
                reply = self._dispatcher.dispatch(request)
            finally:
                self.gate.let_go()
        if self.gate.has_changed:
            self.gate.settle_held()
        if self._engine.to_call:
            self._agenda.call_back()
        if self._engine.is_moved_by_polls:
            self.clock.make_planned_move()
        return reply

    def hold(self, name: str) -> AbstractContextManager[None]:
        """Return a context in which a request from a socket keeps sleepers from moving time."""
        return self.clock.answering(name) if self.clock.policy == "sleeping" else nullcontext()

    def pass_time(self, ms: int) -> None:
        """Let virtual milliseconds pass that a client in process spends waiting for an answer.

        Raises:
            UsageError: Time ends before.
        """
        self.clock.wait(ms, who="a client that waits for an answer")

    def real_seconds(self, ms: int) -> float:
        """Return how long virtual milliseconds are for a client at a socket.

        A clock that is moved by hand keeps real time there.
        """
        return ms / 1_000 / (self.clock.rate or 1.0)
