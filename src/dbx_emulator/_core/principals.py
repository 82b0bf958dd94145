"""Who calls: what a token says about its bearer."""

from __future__ import annotations

from enum import Enum

__all__ = ["Principal"]


class Principal(str, Enum):
    """Whom a token stands for.

    A user owns what there is in the workspace; a guest may submit runs and sees those alone; an expired token
    stands for nobody any more.
    """

    USER = "user"
    GUEST = "guest"
    EXPIRED = "expired"

    @property
    def user_name(self) -> str:
        """The name under which the principal creates runs."""
        return f"{self.value}@example.com"

    def may_see(self, creator_user_name: str) -> bool:
        """Say whether runs of that creator are visible."""
        return self is Principal.USER or self.user_name == creator_user_name
