# SPDX-License-Identifier: Apache-2.0
"""What a request's headers say of its key, its client and its country. Pure; never raises.

Everything a caller can write is hostile: results are short texts, and only what our own side of
the connection wrote is believed."""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Iterable, Sequence

Headers = Iterable[tuple[bytes, bytes]]
LONGEST_KEY = 512
LONGEST = 1024
"""Characters of a user agent or a path that are kept."""

MOST_KEYS = 4


def keys_in(headers: Headers) -> tuple[str, ...]:
    """Every key a request shows, in `X-API-Key` or as a bearer: an application may read either.

    A request that shows a stolen key in one place and another in the other must not pass for it."""
    found: dict[str, None] = {}
    for name, value in headers:
        low = name.lower()
        if low == b"x-api-key":
            text = value.decode("latin-1").strip()
        elif low == b"authorization" and value[:7].lower() == b"bearer ":
            text = value[7:].decode("latin-1").strip()
        else:
            continue
        if text:
            found[text[:LONGEST_KEY]] = None
    return tuple(found)


def text_of(headers: Headers, name: bytes) -> str:
    """The first header of a name; empty where there is none."""
    for known, value in headers:
        if known.lower() == name:
            return value[:LONGEST].decode("latin-1").strip()
    return ""


def address_of(headers: Headers, peer: Sequence[object] | None, proxies: int) -> str:
    """The client's address: the entry of X-Forwarded-For that our outermost proxy wrote.

    Entries before it are the caller's own words. Where there are fewer entries than proxies, or
    the entry is no address, the request came another way, and the connection itself counts."""
    direct = str(peer[0])[:64] if peer else ""
    if not proxies:
        return direct
    lines = [value for name, value in headers if name.lower() == b"x-forwarded-for"]
    entries = b",".join(lines)[-4096:].split(b",")
    if not lines or len(entries) < proxies:
        return direct
    return _address(entries[-proxies].decode("latin-1").strip()) or direct


@functools.lru_cache(4096)
def _address(text: str) -> str:
    """An address without its port; empty for anything else."""
    bare = text[:64]
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        return str(ipaddress.ip_address(bare))
    except ValueError:
        return ""
