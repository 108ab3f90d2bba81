# SPDX-License-Identifier: Apache-2.0
"""Render templates: every value is escaped, a missing one is an error, times are ISO for scripts.

Templates are in `web/templates`; they hold no logic beyond showing what views prepared."""

from __future__ import annotations

import datetime as dt
import functools
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import jinja2

WEB = Path(__file__).resolve().parents[1]
TEMPLATES, STATIC = WEB / "templates", WEB / "static"


@functools.cache
def _environment() -> jinja2.Environment:
    import jinja2

    found = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        finalize=together,
    )
    found.filters["iso"] = iso
    found.filters["utc"] = utc
    found.filters["number"] = number
    return found


def rendered(template: str, **context: object) -> str:
    """The template with a context."""
    return _environment().get_template(template).render(**context)


def ready() -> None:
    """Compile every template, so that no reader waits for it."""
    found = _environment()
    for name in found.list_templates():
        found.get_template(name)


def together(value: object) -> object:
    """A share's sign stays on the line of its number."""
    return value.replace(" %", "\u00a0%") if isinstance(value, str) else value


def iso(at: dt.datetime) -> str:
    """A time for machines, in UTC."""
    return f"{at.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"


def utc(at: dt.datetime) -> str:
    """A time for people who have no script that knows their zone."""
    return f"{at.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"


def number(value: int) -> str:
    """A count with its thousands apart."""
    return f"{value:,}"
