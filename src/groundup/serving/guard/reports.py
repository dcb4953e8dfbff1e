"""What is told of the findings of one text: to the counters, to the audit log, and to whoever asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from groundup.serving.guard.audit import AuditLog
from groundup.serving.guard.finding import Check
from groundup.serving.guard.settings import ACTIONS, Action, CheckName, Side

Decision = Literal["allow", "log", "redact", "refuse"]
Count = Callable[[Side, CheckName, Decision], None]
"""Told of each decision: what becomes of a finding, or `allow` for a text in which a check found nothing."""


class ActiveCheck(NamedTuple):
    """A check that is switched on, and what becomes of what it finds."""

    name: CheckName
    check: Check
    action: Action


class Reports:
    """The findings of one text as they come."""

    def __init__(
        self, side: Side, checks: Sequence[ActiveCheck], request: str, count: Count | None, audit: AuditLog | None
    ) -> None:
        self._side, self._checks, self._request, self._count, self._audit = side, checks, request, count, audit
        self._finished = False
        self.action: Decision = "allow"
        """The strongest action so far."""
        self.reasons: dict[str, None] = {}
        """What was found, each once: `personal_data: email`."""

    def found(self, check: CheckName, kind: str, action: Action, value: str) -> None:
        """One finding."""
        assert action != "off"
        if self.action == "allow" or ACTIONS.index(action) > ACTIONS.index(self.action):
            self.action = action
        self.reasons[f"{check}: {kind}"] = None
        if self._count is not None:
            self._count(self._side, check, action)
        if self._audit is not None:
            self._audit.write(self._side, check, kind, action, value, self._request)

    def finish(self) -> None:
        """All of the text was looked at."""
        if self._finished or self._count is None:
            return
        self._finished = True
        for name in dict.fromkeys(each.name for each in self._checks):
            if not any(reason.startswith(f"{name}: ") for reason in self.reasons):
                self._count(self._side, name, "allow")
