# SPDX-License-Identifier: Apache-2.0
"""Ask axe what is wrong with a page."""

from __future__ import annotations

from pathlib import Path

AXE = (Path(__file__).parents[1] / "data" / "axe" / "axe.min.js").read_text()
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def violations(page) -> list[str]:
    """What axe finds, as rule and element. Scripts of a page cannot evaluate: axe is put beside."""
    page.evaluate(AXE)
    found = page.evaluate("(tags) => axe.run(document, {runOnly: tags})", TAGS)
    return [
        f"{one['id']}: {node['html'][:160]} {node.get('failureSummary', '')[:200]}"
        for one in found["violations"]
        for node in one["nodes"]
    ]
