# SPDX-License-Identifier: Apache-2.0
"""One JSON line per event on standard output, or a readable line at a terminal; secrets cut out.

Never logs an event's body. Callers hand fields over as `extra={"fields": {...}}`."""

from __future__ import annotations

import datetime as dt
import json
import logging
import re
import sys
from collections.abc import Iterable, Mapping
from typing import TextIO
from urllib.parse import quote

__all__ = ["JsonLines", "Plain", "Redaction", "configure"]

HIDDEN = "[hidden]"
SHORTEST_SECRET = 4
"""A shorter value would cut pieces out of ordinary words."""

TRACE = "logging.googleapis.com/trace"

_PATTERNS = (
    # OpenAI and others: sk-…, sk-proj-…
    (("sk-",), re.compile(r"\b(sk-)[A-Za-z0-9_-]{8,}"), r"\1" + HIDDEN),
    # Google's API keys and access tokens
    (("aiza", "ya29."), re.compile(r"\b(AIza|ya29\.)[A-Za-z0-9_-]{20,}"), r"\1" + HIDDEN),
    # a customer's key: its id may be seen
    (("ltk_",), re.compile(r"\b(ltk_(?:live|test)_[0-9a-z]{12}_)[0-9a-z]+"), r"\1" + HIDDEN),
    # Slack: the path of a webhook is its password
    (
        ("/services/",),
        re.compile(r"(/services/)[A-Za-z0-9_-]+/[A-Za-z0-9_-]+/[A-Za-z0-9_-]+"),
        r"\1" + HIDDEN,
    ),
    (("xox",), re.compile(r"\b(xox[abeoprs]-)[A-Za-z0-9-]{8,}"), r"\1" + HIDDEN),
    # Twilio: account and API key ids followed by their token
    ((":",), re.compile(r"\b((?:AC|SK)[0-9a-fA-F]{32}:)[^\s@\"']+"), r"\1" + HIDDEN),
    # a password in a URL: scheme://user:password@host
    (
        ("://",),
        re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s/:@\"']*:)[^\s@\"']+(@)", re.IGNORECASE),
        r"\1" + HIDDEN + r"\2",
    ),
    # whatever follows an authorization header's name, or a scheme of one
    (
        ("authorization",),
        re.compile(r"(authorization\b[\"']?\s*[:=]\s*[\"']?)[^\"'\r\n,}]+", re.IGNORECASE),
        r"\1" + HIDDEN,
    ),
    (
        ("bearer", "basic"),
        re.compile(r"\b((?:Bearer|Basic)\s+)[A-Za-z0-9+/_.~=-]{8,}", re.IGNORECASE),
        r"\1" + HIDDEN,
    ),
    # PagerDuty's routing key, Twilio's token and the like, next to their names; after a key's name
    # and a colon a word or a small number is prose: `openai-api-key: overlap, version 4`
    (
        ("token", "password", "secret", "key"),
        re.compile(
            r"((?:auth[_-]?token|password|secret"
            r"|(?:routing|integration|service|api)[_-]?key"
            r"(?!: (?:[A-Za-z]{1,15}|\d{1,3})[\s,;.']))"
            r"[\"']?\s*[:=]\s*[\"']?)[^\s\"',;&}]+",
            re.IGNORECASE,
        ),
        r"\1" + HIDDEN,
    ),
)
"""Each with words of which every match has one, in small letters: they are looked for at first, for
a search costs microseconds, and a request's line is cleaned while others wait."""

_BY_WORD = tuple((word, pattern, told) for words, pattern, told in _PATTERNS for word in words)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Redaction(logging.Filter):
    """Cuts the given secrets, and whatever looks like one, out of a record."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__()
        values = {value for value in secrets if len(value) >= SHORTEST_SECRET}
        spellings = values | {quote(value, safe="") for value in values}
        self._secrets = tuple(sorted(spellings, key=len, reverse=True))

    def filter(self, record: logging.LogRecord) -> bool:
        """Clean the record in place; it is always logged."""
        record.msg, record.args = self.cleaned(record.getMessage()), ()
        if record.exc_info:
            record.exc_text = record.exc_text or logging.Formatter().formatException(
                record.exc_info
            )
            record.exc_info = None
        if record.exc_text:
            record.exc_text = self.cleaned(record.exc_text)
        if record.stack_info:
            record.stack_info = self.cleaned(record.stack_info)
        if isinstance(fields := getattr(record, "fields", None), Mapping):
            record.fields = self._cleaned_value(fields)
        return True

    def cleaned(self, text: str) -> str:
        """The text without its secrets."""
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        folded = text.casefold()
        for word, pattern, replacement in _BY_WORD:
            if word in folded:
                text = pattern.sub(replacement, text)
        return text

    def _cleaned_value(self, value: object) -> object:
        if isinstance(value, Mapping):
            return {str(name): self._cleaned_value(item) for name, item in value.items()}
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self._cleaned_value(item) for item in value]
        if value is None or isinstance(value, (bool, int, float)):
            return value
        return self.cleaned(str(value))


_encoder = json.JSONEncoder(ensure_ascii=False, default=str)


class JsonLines(logging.Formatter):
    """Lines as Cloud Logging reads them: severity, message, the trace, and the fields."""

    def __init__(self, project: str = "") -> None:
        super().__init__()
        self._project = project

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line of JSON."""
        fields = _fields(record)
        trace = _trace(fields.pop("trace", ""), self._project)
        line: dict[str, object] = {
            "severity": record.levelname,
            "message": record.getMessage(),
            "logger": record.name,
            **{name: value for name, value in fields.items() if name not in _OURS},
        }
        if trace:
            line[TRACE] = trace
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        for name in ("exc_text", "stack_info"):
            if text := getattr(record, name):
                line[name] = text
        return _encoder.encode(line)


class Plain(logging.Formatter):
    """Lines for a person: the time, the level, the message, and what fields say besides it."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line of text, an exception's traceback below it."""
        at = dt.datetime.fromtimestamp(record.created, dt.UTC)
        message = record.getMessage()
        said = {word.rstrip(":;,") for word in message.split()}
        fields = ((n, v) for n, v in _fields(record).items() if v and str(v) not in said)
        told = "".join(f"  {name}={value}" for name, value in fields)
        line = f"{at:%H:%M:%S} {record.levelname:<8} {_visible(message)}{_visible(told)}"
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        return f"{line}\n{record.exc_text}" if record.exc_text else line


_OURS = frozenset({"severity", "message", "logger", TRACE})


def configure(
    secrets: Iterable[str] = (),
    stream: TextIO | None = None,
    *,
    project: str = "",
    for_people: bool = False,
) -> None:
    """Send every log line to `stream` (standard output), without the values of `secrets`.

    `project` completes the trace, so that Cloud Logging groups the lines of a request. Lines are
    `for_people` at a terminal anyway."""
    stream = stream or sys.stdout
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Plain() if for_people or stream.isatty() else JsonLines(project))
    handler.addFilter(Redaction(secrets))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)


def _fields(record: logging.LogRecord) -> dict[str, object]:
    fields = getattr(record, "fields", None)
    return dict(fields) if isinstance(fields, Mapping) else {}


def _trace(header: object, project: str) -> str:
    """The trace of `X-Cloud-Trace-Context` (`TRACE_ID/SPAN_ID;o=1`) by its full name."""
    trace = str(header).partition("/")[0].partition(";")[0]
    if not re.fullmatch(r"[0-9a-fA-F]{32}", trace):
        return ""
    return f"projects/{project}/traces/{trace}" if project else trace


def _visible(text: str) -> str:
    """Control characters spelled out: no text may move the cursor or fake a second line."""
    text = text.replace("\n", "\\n")
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)
