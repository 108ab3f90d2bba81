#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Read an environment's costs: `scripts/monitor_costs.py check --env dev`, or import CostMonitor.

`make check-costs` runs the same; what requirements-cli.txt lists is installed when missing."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "functions"))

if __name__ == "__main__":
    from twinguard.cli.interpreter import complete

    complete()

from twinguard.cli.costs import app
from twinguard.cli.monitor import CostMonitor

__all__ = ["CostMonitor"]

if __name__ == "__main__":
    app()
