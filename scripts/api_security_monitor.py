#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Find stolen API keys: `scripts/api_security_monitor.py --replay events.jsonl --report`.

Importing it gives APISecurityMonitor; what requirements-cli.txt lists is installed when missing."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "functions"))

if __name__ == "__main__":
    from twinguard.cli.interpreter import complete

    complete()

from twinguard.cli.api_security import app
from twinguard.cli.security_monitor import APISecurityMonitor

__all__ = ["APISecurityMonitor"]

if __name__ == "__main__":
    app()
