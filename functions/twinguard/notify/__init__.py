# SPDX-License-Identifier: Apache-2.0
"""Open the channels the policy routes to, from the environment's variables (strategy.md 12.3).

Nothing is connected or imported from a vendor before the first message is sent."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from msgspec import Struct

from twinguard.errors import Misconfigured
from twinguard.notify.email import SMTPS_PORT, Email
from twinguard.notify.pagerduty import EVENTS, PagerDuty
from twinguard.notify.slack import Slack
from twinguard.notify.sms import TWILIO, Sms
from twinguard.policy import Channel, Level, Policy
from twinguard.ports import Notifier

__all__ = ["SETTINGS", "Settings", "open_email", "open_notifiers"]

Environ = Mapping[str, str]


class Settings(Struct, frozen=True):
    """The variables of one channel; the optional ones have a default."""

    required: tuple[str, ...]
    optional: tuple[str, ...]
    open: Callable[[Environ], Notifier]


def open_notifiers(policy: Policy, env: Environ) -> dict[Channel, Notifier]:
    """A notifier for every channel the policy routes to; Misconfigured names all that is missing.

    The order is that of `Channel`."""
    routed = {
        channel: [level for level in Level if channel in policy.alerts.routes.get(level, ())]
        for channel in Channel
    }
    needed = [channel for channel in Channel if routed[channel]]
    missing = [line for c in needed if (line := _missing(c, routed[c], env))]
    if missing:
        raise Misconfigured(
            f"{'; '.join(missing)}: set them, or take the channel out of alerts.routes"
        )
    return {channel: SETTINGS[channel].open(env) for channel in needed}


def open_email(policy: Policy, env: Environ) -> Email:
    """The e-mail channel for a report; its readers are SECURITY_EMAIL, or the policy's contacts."""
    own = {"SECURITY_EMAIL": ",".join(policy.alerts.contacts), **env}
    names = [name for name in SETTINGS[Channel.EMAIL].required if not own.get(name, "").strip()]
    if names:
        raise Misconfigured(f"a mail needs {', '.join(names)}: set them, or leave out --mail")
    return _email(own)


def _missing(channel: Channel, levels: list[Level], env: Environ) -> str:
    names = [name for name in SETTINGS[channel].required if not env.get(name, "").strip()]
    return f"{channel} (routes {', '.join(levels)}) lacks {', '.join(names)}" if names else ""


def _email(env: Environ) -> Email:
    port = _port(env)
    return Email(
        host=env["SMTP_HOST"].strip(),
        port=port,
        user=env["SMTP_USER"],
        password=env["SMTP_PASSWORD"],
        sender=_one(env.get("SMTP_FROM") or env["SMTP_USER"], _ADDRESS, _SENDER),
        recipients=_several(env, "SECURITY_EMAIL", _ADDRESS, "security@example.com"),
        smtps=port == SMTPS_PORT,
        ca_file=env.get("SMTP_CA_FILE", ""),
    )


def _slack(env: Environ) -> Notifier:
    return Slack(_url(env, "SLACK_WEBHOOK_URL", ""), env.get("SLACK_CHANNEL", "").strip())


def _sms(env: Environ) -> Notifier:
    return Sms(
        account=env["TWILIO_ACCOUNT_SID"].strip(),
        token=env["TWILIO_AUTH_TOKEN"].strip(),
        sender=env["TWILIO_FROM"].strip(),
        numbers=_several(env, "SECURITY_PHONE", _NUMBER, "+32470123456"),
        url=_url(env, "TWILIO_API_URL", TWILIO).rstrip("/"),
    )


def _pagerduty(env: Environ) -> Notifier:
    return PagerDuty(
        integration=env["PAGERDUTY_INTEGRATION_KEY"].strip(),
        service=env.get("PAGERDUTY_SERVICE_ID", "").strip(),
        url=_url(env, "PAGERDUTY_EVENTS_URL", EVENTS),
    )


_ADDRESS = re.compile(r"[^\s@,<>\"]+@[A-Za-z0-9.-]+")
_NUMBER = re.compile(r"\+[0-9]{6,15}")
_SENDER = "SMTP_FROM (or SMTP_USER) must be one address, as alerts@example.com"
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def _port(env: Environ) -> int:
    text = env.get("SMTP_PORT", "").strip() or "587"
    if not re.fullmatch(r"[0-9]{1,5}", text):
        raise Misconfigured("SMTP_PORT must be a number, as 587 or 465")
    return int(text)


def _one(text: str, pattern: re.Pattern[str], message: str) -> str:
    if not pattern.fullmatch(text.strip()):
        raise Misconfigured(message)
    return text.strip()


def _several(env: Environ, name: str, pattern: re.Pattern[str], like: str) -> tuple[str, ...]:
    message = f"{name} must be one or more of the form {like}, separated by commas"
    parts = [part for part in env[name].split(",") if part.strip()]
    return tuple(dict.fromkeys(_one(part, pattern, message) for part in parts or [""]))


def _url(env: Environ, name: str, default: str) -> str:
    """The address; its secrets must not travel in clear, except to a stand-in on this machine."""
    text = env.get(name, "").strip() or default
    try:
        parts = urlsplit(text)
        is_safe = parts.scheme == "https" or (
            parts.scheme == "http" and parts.hostname in _LOOPBACK
        )
    except ValueError:
        is_safe = False
    if not is_safe:
        raise Misconfigured(f"{name} must be an https:// address")
    return text


SETTINGS: Mapping[Channel, Settings] = {
    Channel.EMAIL: Settings(
        ("SMTP_HOST", "SMTP_USER", "SMTP_PASSWORD", "SECURITY_EMAIL"),
        ("SMTP_PORT", "SMTP_FROM", "SMTP_CA_FILE"),
        _email,
    ),
    Channel.SLACK: Settings(("SLACK_WEBHOOK_URL",), ("SLACK_CHANNEL",), _slack),
    Channel.SMS: Settings(
        ("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_FROM", "SECURITY_PHONE"),
        ("TWILIO_API_URL",),
        _sms,
    ),
    Channel.PAGERDUTY: Settings(
        ("PAGERDUTY_INTEGRATION_KEY",),
        ("PAGERDUTY_SERVICE_ID", "PAGERDUTY_EVENTS_URL"),
        _pagerduty,
    ),
}
"""Every variable of every channel."""
