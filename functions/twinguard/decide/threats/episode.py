# SPDX-License-Identifier: Apache-2.0
"""A run of strange use of one key, and what was told about it."""

from __future__ import annotations

from twinguard.decide.threats.neighbours import Seen
from twinguard.decide.threats.values import NetworkKind

_FAILED_PATHS = 16


class Episode:
    """A run of strange use of one key, and what has been told about it."""

    __slots__ = (
        *("agent_keys", "changes", "failed", "failed_paths", "flagged", "generic", "hours"),
        *("kinds", "last", "listing", "networks", "next_check", "other_keys", "scanner"),
        *("since", "strange", "succeeded", "told", "told_at", "colleague"),
    )

    def __init__(self, at: float) -> None:
        self.since = self.last = at
        self.hours: set[int] = set()
        self.strange = self.succeeded = self.failed = self.changes = self.told = 0
        self.failed_paths: set[str] = set()
        self.kinds: set[NetworkKind] = set()
        self.networks: set[str] = set()
        self.listing = self.scanner = self.generic = self.flagged = self.agent_keys = False
        self.colleague = True
        self.other_keys = 0
        self.next_check = 1
        self.told_at = 0.0

    def note_failure(self, path: str) -> None:
        """Count a request that failed, and the paths it was tried on."""
        self.failed += 1
        if len(self.failed_paths) < _FAILED_PATHS:
            self.failed_paths.add(path)

    def meet(self, near: Seen) -> None:
        """Note what a new address does on other keys."""
        self.other_keys = max(self.other_keys, near.keys)
        self.agent_keys |= near.same_agent
        self.flagged |= near.is_flagged
        self.colleague &= near.is_home

    def fail_after_all(self, path: str) -> None:
        """Count a failure of what was taken for a success."""
        if self.succeeded:
            self.succeeded -= 1
            self.note_failure(path)
            self.next_check = self.strange
