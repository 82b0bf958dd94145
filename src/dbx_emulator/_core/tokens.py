"""The tokens of a workspace: whom they stand for, until when, and what is said once they open nothing more."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

from dbx_emulator._core.clock import Clock
from dbx_emulator._core.durations import Duration, duration_ms
from dbx_emulator._core.errors import UsageError, nearest
from dbx_emulator._core.principals import Principal

__all__ = ["EXPIRING_MS", "REFUSALS", "Token", "Tokens"]

#: How a token is refused that opens nothing any more.
REFUSALS: dict[str, str] = {
    "403-json": "403 `Invalid access token.` as JSON, as today's gateways refuse personal tokens",
    "403-html": "the same as a page, as older gateways did",
    "401-json": "401 as JSON",
    "expiring": "403 `Token is expiring within 30 seconds.`, from 30 s before its end on",
}

#: For how long before its end a token is refused as expiring.
EXPIRING_MS = 30_000


@dataclass(slots=True)
class Token:
    """What is known of a token.

    Attributes:
        principal: For whom it opens the workspace.
        refusal: How it is refused, one of `REFUSALS`.
        refused_ms: From when on it is refused, in epoch milliseconds of virtual time; `None` never, 0 always.
    """

    principal: Principal
    refusal: str = "403-json"
    refused_ms: int | None = None


class Tokens:
    """The tokens of one workspace.

    Args:
        current: The one that the workspace gives to its clients.
        further: More that open it.
        clock: The workspace's time, in which tokens expire.
    """

    #: What of them a snapshot holds.
    STATE: ClassVar[tuple[str, ...]] = ("_tokens", "current")

    def __init__(self, current: str, *, further: Iterable[str] = (), clock: Clock) -> None:
        self._current = current
        self._clock = clock
        self._first = current
        self._tokens = {token: Token(Principal.USER) for token in (current, *further)}
        self._followers: list[Callable[[str, str], None]] = []

    def __contains__(self, token: object) -> bool:
        """Say whether a token has ever been one of these, good or not."""
        return token in self._tokens

    @property
    def current(self) -> str:
        """The token that the workspace gives to its clients. Whoever follows is told when it becomes another."""
        return self._current

    @current.setter
    def current(self, token: str) -> None:
        old, self._current = self._current, token
        for rotated in tuple(self._followers) if token != old else ():
            rotated(old, token)

    def find(self, token: str) -> Token | None:
        """Return what is known of a token; `None` if it never was one of these."""
        return self._tokens.get(token)

    def principal(self, token: str | None) -> Principal | None:
        """Return for whom a token opens the workspace now; `None` if it does not."""
        found = self._tokens.get(token or "")
        if found is None or (found.refused_ms is not None and found.refused_ms <= self._clock.now_ms):
            return None
        return found.principal

    def issue(
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
            refusal: How it is refused afterwards, one of `REFUSALS`.

        Raises:
            UsageError: There is no such principal or refusal, or the lifetime is no duration.
        """
        names = [each.value for each in Principal]
        if principal not in names:
            hint = nearest(str(principal), names)
            raise UsageError(f"principal: {str(principal)!r} is none of {', '.join(names)}{hint}")
        if refusal not in REFUSALS:
            hint = nearest(str(refusal), REFUSALS)
            raise UsageError(f"refusal: {refusal!r} is none of {', '.join(REFUSALS)}{hint}")
        refused_ms = None
        if lifetime is not None:
            early_ms = EXPIRING_MS if refusal == "expiring" else 0
            refused_ms = self._clock.now_ms + duration_ms(lifetime, name="lifetime") - early_ms
        if principal == Principal.EXPIRED:
            refused_ms = 0
        return self._keep(Token(Principal(principal), refusal, refused_ms))

    def revoke(self, token: str) -> None:
        """Let a token open nothing any more.

        Raises:
            UsageError: It is none of this workspace's.
        """
        found = self._tokens.get(token)
        if found is None:
            raise UsageError("token: it never opened this workspace; revoke one that it issued")
        found.refused_ms = 0

    def rotate(self) -> str:
        """Replace the current token by a new one, which is returned; the old one is refused."""
        self.revoke(self.current)
        self.current = self._keep(Token(Principal.USER))
        return self.current

    @contextmanager
    def followed(self, rotated: Callable[[str, str], None]) -> Iterator[None]:
        """Have `rotated` called with the old and the new current token at each change, while this is open."""
        self._followers.append(rotated)
        try:
            yield
        finally:
            self._followers.remove(rotated)

    def _keep(self, kept: Token) -> str:
        token = f"{self._first}-{kept.principal.value}-{len(self._tokens)}"
        self._tokens[token] = kept
        return token
