# SPDX-License-Identifier: Apache-2.0
"""The entry points of the deployed functions; functions-framework serves one of them per process.

This is where a process starts, so it is the one place that reads the environment when loaded: a
wrong setting stops it here. Everything else is in `twinguard/wiring.py`."""

import os

import flask
import functions_framework

from twinguard.wiring import start_or_exit

answer = start_or_exit(os.environ, flask.current_app.name)


@functions_framework.http
def on_budget_alert(request: flask.Request) -> tuple[dict[str, object], int]:
    """Pub/Sub `budget-alerts`: enforce the cap, tell of thresholds, lift the cap again."""
    return answer(request)


@functions_framework.http
def on_schedule(request: flask.Request) -> tuple[dict[str, object], int]:
    """Pub/Sub `schedule`: sleep, wake, end holds, rotate keys, look at costs."""
    return answer(request)


@functions_framework.http
def on_secret_event(request: flask.Request) -> tuple[dict[str, object], int]:
    """Pub/Sub `secret-events`: rotate a key that is due, go on with a rotation."""
    return answer(request)


@functions_framework.http
def on_usage(request: flask.Request) -> tuple[dict[str, object], int]:
    """Pub/Sub `usage-events`: find stolen keys across instances, block them, tell of them."""
    return answer(request)


@functions_framework.http
def dispatch_alert(request: flask.Request) -> tuple[dict[str, object], int]:
    """Pub/Sub `alerts`: bring one alert to people, once, through every channel of its level."""
    return answer(request)
