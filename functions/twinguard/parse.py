# SPDX-License-Identifier: Apache-2.0
"""Turn what arrives over HTTP into events, and events into the values the core decides over.

Whatever is wrong with an event ends here as `BadEvent`; unknown fields are Google's to add."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from twinguard.decide.model import Alert, BudgetNotice
from twinguard.errors import BadEvent
from twinguard.readers import ready

LARGEST = 1_000_000
"""Bytes of a request that are read; Google's notifications have under two thousand."""

_MONEY_LIMIT = Decimal(10) ** 15
_FINEST = -20
"""Digits behind the point: a cost with millions of them would fill the memory when written out."""
_SECRET_ID = "projects/[^/]+/secrets/[A-Za-z0-9_-]{1,255}"  # noqa: S105 - the form of a name
_SECRET_FORMAT = "JSON_API_V1"  # noqa: S105 - the name of a format
_T = TypeVar("_T")


class Event(Struct, frozen=True):
    """One Pub/Sub message."""

    message_id: str
    published_at: dt.datetime
    data: bytes
    attributes: Mapping[str, str]


class AnomalyNotice(Struct, frozen=True):
    """Google's own cost-anomaly notification, which shares topics with budget notifications."""

    message_id: str
    scope: str
    detected: str


class SecretNotice(Struct, frozen=True):
    """What happened to a secret: `SECRET_ROTATE` when its rotation is due, or a change of it.

    `secret` is its id, environment included; `incident` names the theft that asks for it."""

    published_at: dt.datetime
    kind: str
    secret: str
    incident: str = ""


class _Message(msgspec.Struct, rename="camel"):
    message_id: str
    publish_time: dt.datetime
    data: str = ""
    attributes: dict[str, str] = {}


class _Push(msgspec.Struct, rename="camel"):
    message: _Message


class _Structured(msgspec.Struct):
    specversion: str
    type: str
    data: _Push


class _Notice(msgspec.Struct, rename="camel"):
    budget_display_name: str
    cost_amount: Decimal
    cost_interval_start: dt.datetime
    budget_amount: Decimal
    currency_code: str
    alert_threshold_exceeded: Decimal | None = None
    forecast_threshold_exceeded: Decimal | None = None


ready(_Push, _Structured, _Notice, Alert, dict[str, Any])


def event(headers: Mapping[str, str], body: bytes) -> Event:
    """The event in a push request: raw Pub/Sub, or a CloudEvent in binary or structured mode.

    Header names are lower-case."""
    if len(body) > LARGEST:
        raise BadEvent(f"the request has {len(body)} bytes; at most {LARGEST} are read")
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/cloudevents+json":
        structured = _decoded(body, _Structured, "the CloudEvent")
        _require_pubsub(structured.type)
        push = structured.data
    else:
        if "ce-type" in headers:
            _require_pubsub(headers["ce-type"])
        push = _decoded(body, _Push, "the push request")
    message = push.message
    try:
        data = base64.b64decode(message.data, validate=True)
    except (binascii.Error, ValueError) as err:
        raise BadEvent(f"message {message.message_id}: data is not base64: {err}") from err
    published = _aware(message.publish_time, "publishTime")
    return Event(message.message_id, published, data, message.attributes)


def budget(event: Event, now: dt.datetime) -> BudgetNotice | AnomalyNotice:
    """The budget or anomaly notification in an event."""
    attributes = event.attributes
    if "SchemaVersion" in attributes and "budgetId" not in attributes:
        return _anomaly(event)
    version = attributes.get("schemaVersion")
    if version != "1.0":
        raise BadEvent(f"schemaVersion is {version!r}; this version reads budget messages of 1.0")
    budget_id = attributes.get("budgetId", "")
    if not 0 < len(budget_id) <= 100:  # noqa: PLR2004 - a UUID, with room
        raise BadEvent("attribute budgetId is missing; only Google's budgets may publish here")
    notice = _decoded(event.data, _Notice, "the budget notification")
    start = _aware(notice.cost_interval_start, "costIntervalStart")
    _require_sane_period(start, event.published_at, now)
    forecast = notice.forecast_threshold_exceeded
    return BudgetNotice(
        message_id=event.message_id,
        published_at=event.published_at,
        budget_id=budget_id,
        name=notice.budget_display_name,
        period_start=start,
        cost=_money(notice.cost_amount, "costAmount"),
        amount=_money(notice.budget_amount, "budgetAmount"),
        currency=notice.currency_code,
        forecast=None if forecast is None else 100 * _money(forecast, "forecastThresholdExceeded"),
    )


def task(event: Event) -> str:
    """The task of a schedule event: its attribute `task`, or that field of its JSON data."""
    if name := event.attributes.get("task"):
        return name
    fields = _decoded(event.data, dict[str, Any], "the schedule message")
    name = fields.get("task")
    if not isinstance(name, str):
        raise BadEvent("the schedule message names no task; send the attribute task=night")
    return name


def secret(event: Event) -> SecretNotice:
    """The notification of Secret Manager in an event; its data, the secret as JSON, is not read."""
    kind, name = event.attributes.get("eventType", ""), event.attributes.get("secretId", "")
    form = event.attributes.get("dataFormat", _SECRET_FORMAT)
    if not re.fullmatch(_SECRET_ID, name) or not kind:
        raise BadEvent("eventType or secretId is missing; only Secret Manager may publish here")
    if form != _SECRET_FORMAT:
        raise BadEvent(f"dataFormat is {form!r}; this version reads {_SECRET_FORMAT}")
    incident = event.attributes.get("incident", "")[:200]
    return SecretNotice(event.published_at, kind, name.rsplit("/", 1)[-1], incident)


def alert(event: Event) -> Alert:
    """The alert in an event of the alerts topic."""
    return _decoded(event.data, Alert, "the alert")


def _anomaly(event: Event) -> AnomalyNotice:
    fields = _decoded(event.data, dict[str, Any], "the anomaly notification")
    scope = event.attributes.get("scope") or fields.get("scope") or "billing account"
    detected = fields.get("detectionDate") or f"{event.published_at:%Y-%m-%d}"
    return AnomalyNotice(event.message_id, str(scope)[:200], str(detected)[:40])


def _decoded(data: bytes, kind: type[_T], what: str) -> _T:
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as err:
        raise BadEvent(f"{what} cannot be read: {err}") from err


def _require_pubsub(kind: str) -> None:
    if kind != "google.cloud.pubsub.topic.v1.messagePublished":
        raise BadEvent(f"the CloudEvent is a {kind!r}; only Pub/Sub messages are handled")


def _require_sane_period(start: dt.datetime, published: dt.datetime, now: dt.datetime) -> None:
    """A period from the future would make every true message look old: refuse it."""
    if published > now + dt.timedelta(hours=1):
        raise BadEvent(f"publishTime {published.isoformat()} lies in the future")
    if not start <= published <= start + dt.timedelta(days=400):
        raise BadEvent(
            f"costIntervalStart {start.isoformat()} does not fit a message published at "
            f"{published.isoformat()}"
        )


def _aware(moment: dt.datetime, field: str) -> dt.datetime:
    if moment.tzinfo is None:
        raise BadEvent(f"{field} has no time zone")
    if not 2000 <= moment.year < 3000:  # noqa: PLR2004 - far from where sums of dates overflow
        raise BadEvent(f"{field} is in the year {moment.year}")
    return moment.astimezone(dt.UTC)


def _money(value: Decimal, field: str) -> Decimal:
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or abs(value) >= _MONEY_LIMIT or exponent < _FINEST:
        raise BadEvent(f"{field} is not an amount of money")
    return value
