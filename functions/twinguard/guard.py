# SPDX-License-Identifier: Apache-2.0
"""Whether a request may pass: the block list of this process, then the counters, then the policy.

While the counters do not answer, the policy says what becomes of requests; known blocks hold. What
a finding asks for is done here at once; incidents and alerts are `theft_flow.py`'s."""

from __future__ import annotations

import logging
import time

from msgspec import Struct
from msgspec.structs import replace

from twinguard.block_list import BlockList
from twinguard.counters import Answer, Counters
from twinguard.decide.response import restraint_for, strictest
from twinguard.decide.restraints import MINUTE, Curb, Restraint, wait
from twinguard.decide.threats.values import Finding, ThreatLevel, Use
from twinguard.decide.threats.window import Sliding
from twinguard.errors import Unavailable
from twinguard.fuse import Fuse
from twinguard.protection import Security
from twinguard.tallies import Tallies

_log = logging.getLogger("twinguard")


class Verdict(Struct, frozen=True, kw_only=True):
    """What becomes of a request. `is_counted` says that the store took it into account.

    `restraint` turns it away; `is_closed` says that nobody could tell and the policy refuses,
    `is_silent` that there is nothing to report: nobody can say whose key it is, or needs to."""

    restraint: Restraint | None = None
    retry_after: float = 0.0
    rate: int = 0
    findings: tuple[Finding, ...] = ()
    is_strange: bool = False
    is_counted: bool = False
    is_closed: bool = False
    is_silent: bool = False

    @property
    def passes(self) -> bool:
        """True where the request is served."""
        return self.restraint is None and not self.is_closed


class Guard:
    """One environment's counters, as one process uses them."""

    def __init__(
        self,
        counters: Counters,
        security: Security | None = None,
        tallies: Tallies | None = None,
        environment: str = "",
    ) -> None:
        self.counters = counters
        self.security = security or Security()
        self.tallies = tallies or Tallies()
        self.blocks = BlockList(counters, environment)
        self.is_instant = counters.is_instant
        self._fuse = Fuse()
        self._served: dict[str, Sliding] = {}
        self.tallies.gauge("block_list_age_seconds", self.blocks.age)
        self.tallies.gauge("block_list_keys", lambda: float(len(self.blocks)))
        self.tallies.gauge("counters_down", lambda: float(self._fuse.is_blown))

    def start(self) -> None:
        """Follow the block list."""
        self.blocks.follow()

    def close(self) -> None:
        """Stop following it."""
        self.blocks.close()

    def known(self, use: Use, others: tuple[str, ...] = ()) -> Verdict | None:
        """A verdict that needs no store: the key is blocked, and this process knows.

        `others` are ids that the key has besides."""
        for key_id in (use.key_id, *others):
            held = self.blocks.held(key_id, use.at.timestamp())
            if held is not None and held.curb is Curb.BLOCK:
                self.tallies.add("refused_blocked")
                return Verdict(restraint=held)
        return None

    def unchecked(self, use: Use) -> Verdict:
        """The verdict on a key while nobody can say whose it is: the policy's."""
        return replace(self._without(use), is_silent=True)

    def admit(self, use: Use) -> Verdict:
        """The verdict on a request; never raises."""
        if not self._fuse.may_ask(time.monotonic()):
            return self._without(use)
        try:
            answer = self.counters.admit(use)
        except Unavailable as err:
            self._note_failure(err)
            return self._without(use)
        self._fuse.went_well()
        self._served.clear()
        return self._verdict(use, answer)

    def settle(self, use: Use) -> None:
        """Say how a request ended that was counted; what cannot be said is let go."""
        if not self._fuse.may_ask(time.monotonic()):
            return
        try:
            self.counters.settle(use)
        except Unavailable as err:
            self._note_failure(err)
        else:
            self._fuse.went_well()

    def _verdict(self, use: Use, answer: Answer) -> Verdict:
        if answer.refused is not None:
            is_block = answer.refused.curb is Curb.BLOCK
            if is_block:
                self.blocks.note(answer.refused)
            self.tallies.add("refused_blocked" if is_block else "refused_throttled")
            return Verdict(restraint=answer.refused, retry_after=answer.retry_after)
        self.tallies.add("admitted")
        verdict = Verdict(
            rate=answer.rate,
            findings=answer.findings,
            is_strange=answer.is_strange,
            is_counted=True,
        )
        worst = strictest(answer.findings)
        return verdict if worst is None else self._respond(use, verdict, worst)

    def _respond(self, use: Use, verdict: Verdict, worst: Finding) -> Verdict:
        """Do at once what the worst finding asks for."""
        self.tallies.add(f"found_{worst.threat_level.level}")
        restraint = restraint_for(worst, self.security.responses)
        _log.warning(
            "%s: %s of key %s", worst.threat_level, worst.detector, use.key_id,
            extra={"fields": {"event": "finding", "key_id": use.key_id}},
        )  # fmt: skip
        if restraint is None:
            return verdict
        self.blocks.note(restraint)
        try:
            self.counters.restrain(restraint)
        except Unavailable as err:  # `on_usage` does it again, from the event
            self._note_failure(err)
        is_block = restraint.curb is Curb.BLOCK
        if is_block:
            return replace(verdict, restraint=restraint, rate=0)
        rate = restraint.rate if worst.threat_level is ThreatLevel.HIGH else verdict.rate
        return replace(verdict, rate=rate)

    def _without(self, use: Use) -> Verdict:
        """What the policy says while nobody can tell; known throttles hold in each instance."""
        at = use.at.timestamp()
        held = self.blocks.held(use.key_id, at)
        if held is not None and held.rate:
            served = self._served.setdefault(use.key_id, Sliding(MINUTE))
            if seconds := wait(served, held.rate, max(at, served.bucket * MINUTE)):
                self.tallies.add("refused_throttled")
                return Verdict(restraint=held, retry_after=seconds)
            served.add(max(at, served.bucket * MINUTE))
        is_closed = self.security.closes(use.path)
        self.tallies.add("failed_closed" if is_closed else "failed_open")
        return Verdict(is_closed=is_closed)

    def _note_failure(self, err: Unavailable) -> None:
        self.tallies.add("counters_failures")
        if self._fuse.failed(time.monotonic()):
            policy = self.security.on_failure
            _log.error("the counters do not answer; requests fail %s: %s", policy, err)
