# SPDX-License-Identifier: Apache-2.0
"""What Slack, Twilio and PagerDuty answer to a request, refusals included. No network in here.

`channels.py` serves these; tests/data/vendors has the published request formats."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

Headers = Mapping[str, str]
Body = Any
"""Decoded JSON from a client: anything, until it has been checked."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A vendor's answer; `content` is what the request said, where it could be read."""

    status: int
    body: str
    content: Body = None
    headers: tuple[tuple[str, str], ...] = ()


Vendor = Callable[[str, Headers, bytes], Answer]
"""Path, headers with lower-case names, and body, to the answer."""


def slack(path: str, room: str) -> Vendor:
    """An incoming webhook at this path that may post to this room."""

    def answer(asked: str, headers: Headers, raw: bytes) -> Answer:
        is_json = headers.get("content-type", "").startswith("application/json")
        body = _json(raw) if is_json else None
        if asked != path:
            status, word = 404, "no_service"
        elif not isinstance(body, dict):
            status, word = 400, "invalid_payload"
        elif not body.get("text") and not body.get("blocks"):
            status, word = 400, "no_text"
        elif not _are_blocks(body.get("blocks", [])):
            status, word = 400, "invalid_blocks"
        elif body.get("channel", room) != room:
            status, word = 404, "channel_not_found"
        else:
            return Answer(200, "ok", body, (("x-slack-unique-id", _made_up(raw)),))
        return Answer(status, word, body)

    return answer


def twilio(account: str, token: str, sender: str) -> Vendor:
    """The Messages API of one account with one number."""
    expected = "Basic " + base64.b64encode(f"{account}:{token}".encode()).decode()

    def answer(asked: str, headers: Headers, raw: bytes) -> Answer:
        if asked != f"/2010-04-01/Accounts/{account}/Messages.json":
            return _twilio_error(404, 20404, "The requested resource was not found")
        if headers.get("authorization") != expected:
            return _twilio_error(401, 20003, "Authenticate")
        form = dict(parse_qsl(raw.decode("utf-8", "replace"), keep_blank_values=True))
        fault = _twilio_fault(form, sender)
        if fault is not None:
            return _twilio_error(400, *fault, form)
        body = {
            "sid": f"SM{_made_up(raw)}",
            "account_sid": account,
            "status": "queued",
            "to": form["To"],
            "from": form["From"],
            "body": form["Body"],
            "num_segments": str(-(-len(form["Body"]) // 153)),
            "error_code": None,
        }
        return Answer(201, json.dumps(body), form)

    return answer


def pagerduty(integration: str) -> Vendor:
    """The Events API v2 with one integration."""

    def answer(asked: str, headers: Headers, raw: bytes) -> Answer:
        del headers
        if asked != "/v2/enqueue":
            return Answer(404, json.dumps({"status": "not found", "message": "Not Found"}))
        if len(raw) > PAGERDUTY_BYTES:
            return _pagerduty_error(413, ["Payload too large"], None)
        body = _json(raw)
        faults = _pagerduty_faults(body, integration)
        if faults:
            return _pagerduty_error(400, faults, body)
        key = body.get("dedup_key") or _made_up(raw)
        told = {"status": "success", "message": "Event processed", "dedup_key": key}
        return Answer(202, json.dumps(told), body)

    return answer


PAGERDUTY_BYTES = 512 * 1024
_E164 = re.compile(r"\+[1-9][0-9]{1,14}")
_LIMITS = {"body": 1600, "summary": 1024, "dedup_key": 255, "section": 3000, "header": 150}
_BLOCKS = 50
_ELEMENTS = 10
_KEY_LENGTH = 32


def _are_blocks(blocks: Body) -> bool:
    return (
        isinstance(blocks, list)
        and len(blocks) <= _BLOCKS
        and all(isinstance(block, dict) and _is_block(block) for block in blocks)
    )


def _is_block(block: dict[str, Body]) -> bool:
    match block.get("type"):
        case "divider":
            return True
        case "section":
            return _is_text(block.get("text"), ("mrkdwn", "plain_text"), _LIMITS["section"])
        case "header":
            return _is_text(block.get("text"), ("plain_text",), _LIMITS["header"])
        case "context":
            elements = block.get("elements")
            return (
                isinstance(elements, list)
                and 1 <= len(elements) <= _ELEMENTS
                and all(_is_text(e, ("mrkdwn", "plain_text"), _LIMITS["section"]) for e in elements)
            )
    return False


def _is_text(text: Body, types: tuple[str, ...], longest: int) -> bool:
    return (
        isinstance(text, dict)
        and text.get("type") in types
        and isinstance(text.get("text"), str)
        and 1 <= len(text["text"]) <= longest
    )


def _twilio_fault(form: Mapping[str, str], sender: str) -> tuple[int, str] | None:
    to, source, body = form.get("To", ""), form.get("From", ""), form.get("Body", "")
    faults = (
        (not to, 21604, "A 'To' phone number is required."),
        (not _E164.fullmatch(to), 21211, f"The 'To' number {to} is not a valid phone number."),
        (not source, 21603, "A 'From' phone number is required."),
        (source != sender, 21606, f"The 'From' phone number {source} is not valid."),
        (not body, 21602, "Message body is required."),
        (len(body) > _LIMITS["body"], 21617, "The message body exceeds the 1600 character limit"),
    )
    return next(((code, message) for is_wrong, code, message in faults if is_wrong), None)


def _twilio_error(status: int, code: int, message: str, form: Body = None) -> Answer:
    more = f"https://www.twilio.com/docs/errors/{code}"
    body = {"code": code, "message": message, "more_info": more, "status": status}
    return Answer(status, json.dumps(body), form)


def _pagerduty_faults(body: Body, integration: str) -> list[str]:
    if not isinstance(body, dict):
        return ["JSON parse error"]
    faults = []
    if body.get("routing_key") != integration or len(integration) != _KEY_LENGTH:
        faults.append("Invalid routing key")
    action, key = body.get("event_action"), body.get("dedup_key")
    if action not in {"trigger", "acknowledge", "resolve"}:
        faults.append("'event_action' is invalid")
    if key is not None and not (isinstance(key, str) and len(key) <= _LIMITS["dedup_key"]):
        faults.append("'dedup_key' is invalid (must be a string of at most 255 characters)")
    if action != "trigger":
        return faults if key else [*faults, "'dedup_key' is missing or blank"]
    payload = body.get("payload")
    return faults + (_payload_faults(payload) if isinstance(payload, dict) else ["'payload'"])


def _payload_faults(payload: dict[str, Body]) -> list[str]:
    blank = [
        f"'payload.{name}' is missing or blank"
        for name in ("summary", "source", "severity")
        if not isinstance(payload.get(name), str) or not payload[name]
    ]
    if not blank and len(payload["summary"]) > _LIMITS["summary"]:
        blank.append("'payload.summary' is too long (maximum is 1024 characters)")
    if not blank and payload["severity"] not in {"critical", "error", "warning", "info"}:
        blank.append("'payload.severity' is invalid")
    if not isinstance(payload.get("custom_details", {}), dict):
        blank.append("'payload.custom_details' is invalid (must be an object)")
    return blank


def _pagerduty_error(status: int, errors: list[str], body: Body) -> Answer:
    told = {"status": "invalid event", "message": "Event object is invalid", "errors": errors}
    return Answer(status, json.dumps(told), body)


def _json(raw: bytes) -> Body:
    try:
        return json.loads(raw)
    except ValueError:
        return None


def _made_up(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()[:32]
