# SPDX-License-Identifier: Apache-2.0
"""The three ways an event can fail; the branch says what the platform must do.

TwinguardError
├── BadEvent        it will never succeed: record it, count it, acknowledge it
├── Unavailable     it may succeed later: raise it, the trigger retries
│   └── Conflict    somebody else wrote first: read again
└── Misconfigured   nothing can succeed: refuse to start
"""

from __future__ import annotations

__all__ = ["BadEvent", "Conflict", "Misconfigured", "TwinguardError", "Unavailable"]


class TwinguardError(Exception):
    """Base of every error that Twinguard raises on purpose."""


class BadEvent(TwinguardError):
    """An event that no retry can save: malformed, hostile, or not for this environment."""


class Unavailable(TwinguardError):
    """Something that is needed does not answer or did not confirm; a retry may succeed."""


class Conflict(Unavailable):
    """A record changed between reading and writing it."""


class Misconfigured(TwinguardError):
    """A setting or a policy is missing or wrong; the message names it and the remedy."""
