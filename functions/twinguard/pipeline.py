# SPDX-License-Identifier: Apache-2.0
"""What happens to an event: gather what is known, decide, carry out, tell.

Budget messages go through `budget_flow.py`, schedules through `schedule_flow.py`, what can never
succeed through `flow.py`. The decisions are in `decide/`, the way to people in `dispatch.py`."""

from __future__ import annotations

from twinguard.flow import MANUAL, NIGHT, SAVINGS, Ports, Report
from twinguard.schedule_flow import ScheduleFlow

__all__ = ["MANUAL", "NIGHT", "SAVINGS", "Pipeline", "Ports", "Report"]


class Pipeline(ScheduleFlow):
    """All flows of one environment over its ports."""
