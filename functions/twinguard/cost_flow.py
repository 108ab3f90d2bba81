# SPDX-License-Identifier: Apache-2.0
"""The schedule's tasks about costs: what is unusual, and the reports of what is over.

Judging is in `costs.py` and `decide/notices.py`. A repeated task tells nobody anything twice:
alerts carry the same id, and what was told is kept."""

from __future__ import annotations

import datetime as dt

from twinguard.billing import open_costs
from twinguard.costs import Ledger
from twinguard.decide import notices
from twinguard.decide.months import before, last_of, month_of
from twinguard.decide.notices import Notices
from twinguard.decide.wording import FIRST, alert_of
from twinguard.errors import BadEvent
from twinguard.flow import Flow, Report
from twinguard.policy import Level
from twinguard.readers import ready
from twinguard.reports.document import Document
from twinguard.reports.markdown import plain
from twinguard.reports.monthly import monthly
from twinguard.reports.quarterly import quarterly

ready(Notices)

LOOKED_BACK = dt.timedelta(days=5)
"""Rows come up to some days late: a day is looked at until it no longer changes."""

_QUARTER = 3


class CostTasks:
    """The tasks over a flow's policy, journal, source of costs and way to the alerts."""

    def __init__(self, flow: Flow) -> None:
        self.flow = flow

    def anomalies(self, now: dt.datetime) -> Report:
        """Tell what is unusual in the last days, once, and what is as usual again."""
        ledger, policy = self._ledger(now), self.flow.policy
        through = ledger.freshness.through
        if through is None:
            return Report("no costs are known yet: changes nothing")
        kept = self.flow.journal.cost_notices()
        told = kept.value.told if kept.value else ()
        found = ledger.anomalies(through - LOOKED_BACK)
        judgement = notices.judged(found, told, through)
        alerts = (
            *(notices.alert(policy, notice, now) for notice in judgement.notices),
            *(notices.ended(policy, episode, now) for episode in judgement.over),
        )
        for alert in alerts:
            self.flow.publish(alert)
        # Only now: whoever dies in between tells again, under the same id.
        if judgement.told != told:
            self.flow.journal.keep_cost_notices(kept, Notices(told=judgement.told))
        titles = tuple(alert.title for alert in alerts)
        return Report(f"costs through {through}: {len(found)} unusual", alerts=titles)

    def reports(self, now: dt.datetime) -> Report:
        """Send the report of the month that is over, and after a quarter its review."""
        ledger = self._ledger(now)
        through = ledger.freshness.through
        if through is None:
            return Report("no costs are known yet: changes nothing")
        month = month_of(through) if through == last_of(through) else before(through)
        documents = [monthly(ledger.month(month).overviews)]
        if month.month % _QUARTER == 0:
            documents.append(quarterly(ledger.quarter(month), self.flow.policy))
        for document in documents:
            self._send(document, now)
        return Report(f"reports of {month:%Y-%m}", alerts=tuple(one.title for one in documents))

    def reconciliation(self, now: dt.datetime) -> Report:
        """Tell where the ledger and a provider's bill of this month differ by too much.

        Early in a month it is still the month before that is looked at: bills come late."""
        from twinguard.decide import reconcile
        from twinguard.decide.ledger import period_of
        from twinguard.llm.ledger_book import Book
        from twinguard.reconciliation import compared

        policy, ports = self.flow.policy, self.flow.ports
        if ports.bills is None:
            raise BadEvent("no bills are known here; delete the Cloud Scheduler job")
        period = period_of(now - LOOKED_BACK)
        book = Book(ports.records, policy.retention)
        found = compared(policy, book, ports.bills(policy), period, now)
        titles = []
        for each in found:
            if not each.drifted:
                continue
            title = f"{each.provider} bills {period.name} differently than the ledger counted"
            key = f"reconcile/{each.provider}/{period.name}"
            lines = reconcile.lines(each)
            self.flow.publish(alert_of(policy, key, Level.MEDIUM, FIRST, title, lines, now))
            titles.append(title)
        return Report(f"{len(found)} bills of {period.name} compared", alerts=tuple(titles))

    def _send(self, document: Document, now: dt.datetime) -> None:
        lines = tuple(line for line in plain(document).splitlines() if line.strip())
        key = f"report/{document.name}"
        self.flow.publish(
            alert_of(self.flow.policy, key, Level.LOW, FIRST, document.title, lines[1:], now)
        )

    def _ledger(self, now: dt.datetime) -> Ledger:
        place = self.flow.ports.costs
        if not place:
            raise BadEvent(
                "no source of costs is set; connect the billing export (billing_export.connected "
                "in the policy), or delete the Cloud Scheduler job"
            )
        return Ledger(self.flow.policy, open_costs(place, self.flow.policy), now)
