# SPDX-License-Identifier: Apache-2.0
"""What happens to an event: gather what is known, decide, carry out, tell.

Budget messages go through `budget_flow.py`, schedules through `schedule_flow.py`, what can never
succeed ends here. The decisions are in `decide/`, the way to people in `dispatch.py`."""

from __future__ import annotations

import datetime as dt

from twinguard.decide.wording import oddity
from twinguard.errors import BadEvent
from twinguard.flow import MANUAL, NIGHT, Ports, Report
from twinguard.policy import Level
from twinguard.schedule_flow import ScheduleFlow

__all__ = ["MANUAL", "NIGHT", "Pipeline", "Ports", "Report"]

_REASON_KEPT = 1000
"""Characters of a refusal that are kept and told; the event may have put its own text into it."""


class Pipeline(ScheduleFlow):
    """One environment's flows over its ports."""

    def report_bad_event(
        self, entry_point: str, err: BadEvent, body: bytes, now: dt.datetime
    ) -> None:
        """Keep an event that can never succeed, and tell people once a day that there are some.

        A budget message that nobody reads is a cap that nobody enforces."""
        reason = str(err)[:_REASON_KEPT]
        self.journal.dead_letter(entry_point, reason, body, now)
        level = Level.HIGH if entry_point == "on_budget_alert" else Level.MEDIUM
        title = f"{entry_point} received an event that it can never handle"
        self.publish(oddity(self.policy, "dead-letter", entry_point, level, title, reason, now))
