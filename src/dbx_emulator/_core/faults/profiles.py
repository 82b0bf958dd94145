"""Weather: rules that go together, under the name of the trouble. Pure data.

Profiles can be combined. What is drawn is drawn from the workspace's seed, so that the same weather comes twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dbx_emulator._core.faults.drift import DriftFault
from dbx_emulator._core.faults.lost_response import LostResponse
from dbx_emulator._core.faults.rate_limit import RateLimit
from dbx_emulator._core.faults.rules import Fault
from dbx_emulator._core.faults.status import StatusFault
from dbx_emulator._core.faults.wire import WireFault
from dbx_emulator._core.outcomes import Outcome
from dbx_emulator._core.scenarios import Match

__all__ = ["PROFILES", "Profile"]


@dataclass(frozen=True, slots=True)
class Profile:
    """What a profile does.

    Attributes:
        draws: What it draws and how often, in a sentence or two.
        faults: Makes its rules; of two that strike one call, the first is taken.
        scenarios: What happens to runs that match.
        first_run_id: Where the ids of runs start; `None` leaves them where they are.
    """

    draws: str
    faults: Callable[[], Sequence[Fault]] = tuple
    scenarios: Sequence[tuple[Match, Outcome]] = ()
    first_run_id: int | None = None


def _flaky_network() -> Sequence[Fault]:
    return (
        LostResponse("*", probability=0.03),
        WireFault("*", how="reset", point="before_handler", probability=0.03),
        WireFault("*", how="truncated", probability=0.02),
        WireFault("*", how="late", delay="5s", probability=0.05),
        WireFault("*", how="stale_keep_alive", probability=0.02),
    )


def _throttled() -> Sequence[Fault]:
    return (
        RateLimit("runs/submit", per_second=1, burst=5),
        RateLimit("runs/*", per_second=5, burst=10),
        StatusFault("*", status_code=429, retry_after=2, probability=0.05),
        StatusFault("*", status_code=503, probability=0.02),
    )


def _maintenance() -> Sequence[Fault]:
    return (
        StatusFault("*", status_code=503, dialect="html", point="before_auth", window=("10m", "12m")),
        StatusFault("*", status_code=403, point="before_auth", window=("12m", "25m"), is_transient=True),
        StatusFault("*", status_code=503, retry_after=5, window=("25m", "27m"), probability=0.5),
    )


def _schema_drift() -> Sequence[Fault]:
    return (
        DriftFault("runs/get", body={}, probability=0.02),
        DriftFault("runs/get", replace={"state.life_cycle_state": "HIBERNATING"}, probability=0.1),
        DriftFault("runs/get", remove=["status"], probability=0.1),
        DriftFault("runs/get", nulls=["state.state_message", "start_time"], probability=0.1),
        DriftFault("runs/*", add={"effective_ttl": {"unit": "EONS", "count": 2**60}}),
    )


#: Name → profile.
PROFILES: dict[str, Profile] = {
    "flaky_network": Profile(
        "Of all calls 3 % lose their answer, 3 % are reset before they have an effect, 2 % get half a body, 5 % "
        "are answered 5 s late, and 2 % of those on a kept connection find it stale.",
        _flaky_network,
    ),
    "throttled": Profile(
        "Each token may submit once a second (5 at once) and call each endpoint of runs 5 times a second (10 at "
        "once); beyond, and for 5 % of all calls, 429 with Retry-After; for 2 % 503 without.",
        _throttled,
    ),
    "maintenance": Profile(
        "From 10 to 12 minutes after it was applied 503 as a page, until 25 minutes 403 even for good tokens, "
        "until 27 minutes 503 with Retry-After for half of the calls. Nothing else is drawn.",
        _maintenance,
    ),
    "schema_drift": Profile(
        "Of the answers of runs/get 2 % are an empty object, 10 % have a life-cycle state nobody knows, 10 % lack "
        "`status`, 10 % have nulls; all others, and those of the other calls about runs, have a field more.",
        _schema_drift,
    ),
    "spot_storm": Profile(
        "Of all runs 30 % lose their instances after half an hour of work at most, and a retry by the service "
        "goes well. Calls are answered as usual.",
        scenarios=(
            (
                Match(probability=0.3),
                Outcome(run="uniform(1m, 30m)", termination_code="CLOUD_FAILURE", retries=(Outcome(),)),
            ),
        ),
    ),
    "large_ids": Profile(
        "The ids of runs start above 2**53, where JavaScript and floats lose digits. Nothing is drawn.",
        first_run_id=2**53 + 1,
    ),
}
