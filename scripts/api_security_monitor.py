#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Find stolen API keys: `scripts/api_security_monitor.py --replay events.jsonl --report`.

Needs what requirements-cli.txt lists; importing it gives APISecurityMonitor."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "functions"))

from twinguard.cli.api_security import app
from twinguard.cli.security_monitor import APISecurityMonitor

__all__ = ["APISecurityMonitor"]

if __name__ == "__main__":
    app()
