# SPDX-License-Identifier: Apache-2.0
"""The Google APIs that Twinguard reads and changes the world through, on one port.

The contract tests check what is said here against Google's discovery documents."""

from __future__ import annotations

from twinguard.standins.accounts import Billing, Monitoring
from twinguard.standins.api_keys import ApiKeys
from twinguard.standins.cloud_run import CloudRun
from twinguard.standins.compute import Compute
from twinguard.standins.pubsub import PubSub
from twinguard.standins.secret_manager import SecretManager
from twinguard.standins.server import Route, Server


class Google(Server):
    """Cloud Run, Pub/Sub, Monitoring, Billing, secrets, keys and addresses: a context manager."""

    def __init__(
        self,
        cloud_run: CloudRun | None = None,
        pubsub: PubSub | None = None,
        more: tuple[Route, ...] = (),
    ) -> None:
        self.cloud_run = cloud_run or CloudRun()
        self.pubsub = pubsub or PubSub()
        self.monitoring = Monitoring(self.pubsub.oldest_age, self.pubsub.names)
        self.billing = Billing()
        self.secrets = SecretManager()
        self.compute = Compute()
        self.api_keys = ApiKeys()
        parts = (self.cloud_run, self.pubsub, self.monitoring, self.billing)
        routes = [route for part in parts for route in part.routes]
        rest = (*self.secrets.routes, *self.compute.routes, *self.api_keys.routes)
        super().__init__(*routes, *rest, *more)

    def __exit__(self, *details: object) -> None:
        self.pubsub.close()
        super().__exit__(*details)

    @property
    def environment(self) -> dict[str, str]:
        """The variables that send our adapters here."""
        names = ("CLOUD_RUN", "PUBSUB", "MONITORING", "BILLING", "SECRET_MANAGER", "COMPUTE")
        return {f"{name}_ENDPOINT": self.url for name in (*names, "API_KEYS")}
