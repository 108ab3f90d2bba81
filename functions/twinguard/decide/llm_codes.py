# SPDX-License-Identifier: Apache-2.0
"""Why the gateway does not answer what was asked: every code it says, and its usual status. Pure.

What each means and what helps is in docs/errors.md; a test compares the two."""

from __future__ import annotations

import enum
from typing import Final, Self

__all__ = ["Code", "kind_of"]

_QUOTA, _SERVER_ERRORS = "insufficient_quota", 500
_KINDS: Final = {
    401: "authentication_error",
    403: "permission_error",
    429: "rate_limit_error",
}
"""OpenAI's `type` of an error, by its status; below 500 else `invalid_request_error`."""


class Code(enum.StrEnum):
    """What an error's `code` says; `budget_spent` is a 503 where it is the environment's."""

    status: int

    def __new__(cls, name: str, status: int = 0) -> Self:
        """A code that goes out with this status."""
        found = str.__new__(cls, name)
        found._value_ = name
        found.status = status
        return found

    MISSING_API_KEY = "missing_api_key", 401
    INVALID_API_KEY = "invalid_api_key", 401
    KEY_BLOCKED = "key_blocked", 403
    MISSING_SCOPE = "missing_scope", 403
    SEVERAL_KEYS = "several_keys", 400

    UNKNOWN_ROUTE = "unknown_route", 404
    METHOD_NOT_ALLOWED = "method_not_allowed", 405
    WRONG_CONTENT_TYPE = "wrong_content_type", 415
    WRONG_ENCODING = "wrong_encoding", 415
    BODY_TOO_LARGE = "body_too_large", 413
    BODY_TOO_SLOW = "body_too_slow", 408
    INVALID_JSON = "invalid_json", 400
    INVALID_FEATURE = "invalid_feature", 400
    INVALID_TASK = "invalid_task", 400
    MISSING_MODEL = "missing_model", 400
    MODEL_NOT_FOUND = "model_not_found", 404
    MISSING_REQUIRED_PARAMETER = "missing_required_parameter", 400
    UNSUPPORTED_PARAMETER = "unsupported_parameter", 400
    INVALID_VALUE = "invalid_value", 400

    REQUESTS_PER_MINUTE_EXCEEDED = "requests_per_minute_exceeded", 429
    TOKENS_PER_MINUTE_EXCEEDED = "tokens_per_minute_exceeded", 429
    BUDGET_HELD = "budget_held", 503
    BUDGET_SPENT = "budget_spent", 403
    TOO_LARGE = "too_large", 403
    FINISHED = "finished", 503
    CLOUD_BUDGET = "cloud_budget", 503
    BUDGET_UNAVAILABLE = "budget_unavailable", 503
    MODEL_UNPRICED = "model_unpriced", 503
    UNAVAILABLE = "unavailable", 503

    PROVIDER_ERROR = "provider_error", 502
    PROVIDER_ANSWER = "provider_answer", 502
    PROVIDER_REFUSED = "provider_refused", 502
    PROVIDER_UNREACHABLE = "provider_unreachable", 502
    PROVIDER_BROKE_OFF = "provider_broke_off", 502
    PROVIDER_UNAVAILABLE = "provider_unavailable", 503
    PROVIDER_TIMEOUT = "provider_timeout", 504


_BUDGETS = {Code.BUDGET_HELD, Code.BUDGET_SPENT, Code.TOO_LARGE, Code.FINISHED}


def kind_of(code: Code, status: int) -> str:
    """OpenAI's `type` of an error."""
    if code in _BUDGETS:
        return _QUOTA
    usual = "server_error" if status >= _SERVER_ERRORS else "invalid_request_error"
    return _KINDS.get(status, usual)
