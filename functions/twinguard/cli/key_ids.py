# SPDX-License-Identifier: Apache-2.0
"""Where a key's id is meant, a key itself is refused: arguments stand in the shell's history.

What was written is never repeated."""

from __future__ import annotations

from twinguard.decide.customer_keys import parsed
from twinguard.errors import Misconfigured

RAW = ("ltk_", "sk-", "sk_", "aiza", "xai-", "gsk_", "hf_", "ya29.", "tg_")
"""How keys begin, ours and providers'; no id begins so."""


def id_of(text: str, instead: str = "") -> str:
    """The id, unless somebody wrote the key itself; `instead` says how a key is given."""
    if not text.lower().startswith(RAW):
        return text
    key = parsed(text)
    remedies = ["rotate it", instead, f"its id is {key.id}" if key is not None else ""]
    raise Misconfigured(
        "that is a key, not its id, and now it is in your shell's history: "
        + "; ".join(filter(None, remedies))
    )
