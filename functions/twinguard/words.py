# SPDX-License-Identifier: Apache-2.0
"""The closed vocabularies of a policy: environments, levels, channels, their settings, days.

Names only; what may be said with them is in `policy.py`."""

from __future__ import annotations

import enum
import fnmatch


class Environment(enum.StrEnum):
    """Where a policy applies. Command lines also take the short forms of `config.SHORT_NAMES`."""

    PRODUCTION = "production"
    STAGING = "staging"
    DEVELOPMENT = "development"
    CI = "ci"
    LOCAL = "local"


class Level(enum.StrEnum):
    """How bad it is, in strategy.md's words (12.1)."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for low to 3 for critical."""
        return list(Level).index(self)


class Channel(enum.StrEnum):
    """A way to reach people. The order is also the order in which a dead channel is reported."""

    EMAIL = "email"
    SLACK = "slack"
    SMS = "sms"
    PAGERDUTY = "pagerduty"


class Setting(enum.StrEnum):
    """A setting of a channel that is kept in Secret Manager (docs/settings.md)."""

    PAGERDUTY_EVENTS_URL = "PAGERDUTY_EVENTS_URL"
    PAGERDUTY_INTEGRATION_KEY = "PAGERDUTY_INTEGRATION_KEY"
    PAGERDUTY_SERVICE_ID = "PAGERDUTY_SERVICE_ID"
    SLACK_CHANNEL = "SLACK_CHANNEL"
    SLACK_WEBHOOK_URL = "SLACK_WEBHOOK_URL"
    SECURITY_PHONE = "SECURITY_PHONE"
    SMTP_FROM = "SMTP_FROM"
    SMTP_HOST = "SMTP_HOST"
    SMTP_PASSWORD = "SMTP_PASSWORD"  # noqa: S105 - the name of a setting
    SMTP_PORT = "SMTP_PORT"
    SMTP_USER = "SMTP_USER"
    TWILIO_ACCOUNT_SID = "TWILIO_ACCOUNT_SID"
    TWILIO_API_URL = "TWILIO_API_URL"
    TWILIO_AUTH_TOKEN = "TWILIO_AUTH_TOKEN"  # noqa: S105 - the name of a setting
    TWILIO_FROM = "TWILIO_FROM"


class DefaultAccounts(enum.StrEnum):
    """What becomes of the service accounts that Google makes with a project."""

    DISABLE = "disable"
    DEPRIVILEGE = "deprivilege"
    KEEP = "keep"


class FirebaseAuth(enum.StrEnum):
    """What the application may do with Firebase's users (strategy.md 2.3)."""

    FULL = "full"
    LIMITED = "limited"


class Day(enum.StrEnum):
    """Days of the week, in the order of `datetime.weekday()`."""

    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"


CONTROL_PLANE = ("twinguard-*", "eventarc-*", "gcf-*")
"""Names that are never held: our own functions and Eventarc's subscriptions."""


def is_control_plane(name: str) -> bool:
    """True for a resource (short or full name) that Twinguard itself lives on."""
    short = name.rsplit("/", 1)[-1]
    return any(fnmatch.fnmatchcase(short, pattern) for pattern in CONTROL_PLANE)
