#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Read an environment's costs: `scripts/monitor_costs.py check --env dev`, or import CostMonitor.

Needs what requirements-cli.txt lists; `make check-costs` installs it and runs the same."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "functions"))

from twinguard.cli.costs import app
from twinguard.cli.monitor import CostMonitor

__all__ = ["CostMonitor"]

if __name__ == "__main__":
    app()
