# SPDX-License-Identifier: Apache-2.0
"""The four Google APIs that Twinguard changes the world through, on one port of this machine.

The contract tests check what is said here against Google's discovery documents."""

from __future__ import annotations

from twinguard.standins.accounts import Billing, Monitoring
from twinguard.standins.cloud_run import CloudRun
from twinguard.standins.pubsub import PubSub
from twinguard.standins.server import Server


class Google(Server):
    """Cloud Run, Pub/Sub, Monitoring and Billing, as a context manager."""

    def __init__(self, cloud_run: CloudRun | None = None, pubsub: PubSub | None = None) -> None:
        self.cloud_run = cloud_run or CloudRun()
        self.pubsub = pubsub or PubSub()
        self.monitoring = Monitoring(self.pubsub.oldest_age)
        self.billing = Billing()
        parts = (self.cloud_run, self.pubsub, self.monitoring, self.billing)
        super().__init__(*(route for part in parts for route in part.routes))

    def __exit__(self, *details: object) -> None:
        self.pubsub.close()
        super().__exit__(*details)

    @property
    def environment(self) -> dict[str, str]:
        """The variables that send our adapters here."""
        names = ("CLOUD_RUN", "PUBSUB", "MONITORING", "BILLING")
        return {f"{name}_ENDPOINT": self.url for name in names}
