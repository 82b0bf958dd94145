"""`workspace.lint`: the rules, how bad each is, and what they find."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import Any

from dbx_emulator._core.clock import Clock
from dbx_emulator._core.errors import UsageError, nearest
from dbx_emulator._core.journal import Journal
from dbx_emulator._core.runs import JobRun
from dbx_emulator.testing.lint.rules import SEVERITIES, Finding
from dbx_emulator.testing.lint.table import RULES
from dbx_emulator.testing.lint.transcript import listen

__all__ = ["Lint"]

#: Who reads a failure wants the line of the test, and none of this module's.
__tracebackhide__ = True

#: Policies under which the pauses between calls are the client's: under the others somebody else moves time.
_PACED = frozenset({"sleeping", "scaled", "real"})


class Lint:
    """Judges the clients of a workspace by the calls of its journal.

    Args:
        journal: What was called.
        runs: Returns the runs as they are.
        clock: The workspace's time.
        secret: Returns the token that clients are given.
    """

    def __init__(
        self,
        *,
        journal: Journal,
        runs: Callable[[], Iterable[JobRun]],
        clock: Clock,
        secret: Callable[[], str] = str,
    ) -> None:
        self._journal = journal
        self._runs = runs
        self._clock = clock
        self._secret = secret
        self._severities = {rule.id: str(rule.severity) for rule in RULES.values()}

    def set(self, severities: Mapping[str, str]) -> None:
        """Say how bad it is to break some rules: `error`, `warning`, or `off` if it does not matter.

        Raises:
            UsageError: There is no such rule, or a rule cannot be set to that; then nothing is changed.
        """
        for rule_id, severity in severities.items():
            _check_rule(rule_id)
            if severity not in SEVERITIES:
                hint = nearest(str(severity), SEVERITIES)
                raise UsageError(f"{rule_id}: {severity!r} is none of {', '.join(SEVERITIES)}{hint}")
        self._severities |= severities

    def ignore(self, *rule_ids: str) -> None:
        """Judge by some rules no more.

        Raises:
            UsageError: There is no such rule; then nothing is changed.
        """
        self.set(dict.fromkeys(rule_ids, "off"))

    def findings(self, *, ignore: Iterable[str] = ()) -> tuple[Finding, ...]:
        """Return what is to be said of all calls so far: errors first, then in the order of the rules.

        Args:
            ignore: The ids of rules that do not matter this time.

        Raises:
            UsageError: There is no such rule.
        """
        ignored = {_check_rule(rule_id) for rule_id in ignore}
        transcript = listen(
            self._journal,
            runs=self._runs(),
            now_ms=self._clock.now_ms,
            is_paced=self._clock.policy in _PACED and not self._clock.leap,
            secrets=[self._secret()],
        )
        found = [
            finding
            for rule in RULES.values()
            if rule.id not in ignored and (severity := self._severities[rule.id]) != "off"
            for finding in rule.findings(transcript, "error" if severity == "error" else "warning")
        ]
        return tuple(sorted(found, key=lambda finding: finding.severity))

    def check(self, *, ignore: Iterable[str] = ()) -> None:
        """Fail if there is any finding, of whatever severity.

        Args:
            ignore: The ids of rules that do not matter this time.

        Raises:
            AssertionError: There is one; the text says all.
            UsageError: There is no such rule.
        """
        findings = self.findings(ignore=ignore)
        if findings:
            raise AssertionError("\n\n".join(str(finding) for finding in findings))

    def describe(self, *, ignore: Iterable[str] = ()) -> list[dict[str, Any]]:
        """Return the findings as plain data; arguments and errors are those of `findings`."""
        return [asdict(finding) for finding in self.findings(ignore=ignore)]


def _check_rule(rule_id: str) -> str:
    if rule_id not in RULES:
        raise UsageError(f"lint: {rule_id!r} is none of {', '.join(RULES)}{nearest(str(rule_id), RULES)}")
    return rule_id
