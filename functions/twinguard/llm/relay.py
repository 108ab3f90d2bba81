# SPDX-License-Identifier: Apache-2.0
"""A stream from a provider to a client: each event at once, and an honest end."""

from __future__ import annotations

import asyncio

from twinguard.decide.llm_codes import Code
from twinguard.decide.llm_usage import Outcome
from twinguard.llm.attempts import Opened
from twinguard.llm.cache import LARGEST_ENTRY
from twinguard.llm.streams import Garbled, Splitter, Watch, broken
from twinguard.llm.upstream import Lost
from twinguard.llm.wire import Send


class Copy:
    """What was streamed, as long as it is worth keeping."""

    def __init__(self, wanted: bool) -> None:
        self._pieces: list[bytes] | None = [] if wanted else None
        self._size = 0

    def add(self, piece: bytes) -> None:
        """Keep a piece as well."""
        if self._pieces is not None:
            self._pieces.append(piece)
            self._size += len(piece)
            if self._size > LARGEST_ENTRY:
                self._pieces = None

    @property
    def body(self) -> bytes | None:
        """All of it; None where it was too much, or not wanted."""
        return None if self._pieces is None else b"".join(self._pieces)


async def relayed(opened: Opened, watch: Watch, copy: Copy, send: Send) -> Outcome:
    """Pass the stream on; how it ended. What broke off ends with an event that says so."""
    splitter, ending = Splitter(), b""
    outcome = Outcome.DONE
    try:
        async with asyncio.timeout_at(opened.deadline):
            piece = opened.first
            while piece:
                told = b"".join(map(watch.see, splitter.events(piece)))
                if told:
                    copy.add(told)
                    await send({"type": "http.response.body", "body": told, "more_body": True})
                piece = await anext(opened.rest, b"") if opened.rest is not None else b""
            if rest := splitter.rest():
                ending = watch.see(rest)
    except (Lost, Garbled, TimeoutError) as err:
        outcome = Outcome.BROKEN
        is_late = isinstance(err, TimeoutError)
        code = Code.PROVIDER_TIMEOUT if is_late else Code.PROVIDER_BROKE_OFF
        ending = broken("the provider broke off its answer; it is not complete", code)
    else:
        if not watch.finished:
            outcome = Outcome.BROKEN
            ending += broken("the provider ended without an end", Code.PROVIDER_BROKE_OFF)
    copy.add(ending)
    await send({"type": "http.response.body", "body": ending, "more_body": False})
    return outcome
