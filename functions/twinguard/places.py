# SPDX-License-Identifier: Apache-2.0
"""Where addresses are: what the load balancer said of them, then files of places. Never raises.

`TWINGUARD_GEO` names MaxMind files with commas between them, of countries, operators or both."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from twinguard.decide.threats.values import Place
from twinguard.errors import Misconfigured

SETTING = "TWINGUARD_GEO"
_MOST = 100_000
_COUNTRY = 2


class Reader(Protocol):
    """A file of places."""

    def get(self, address: str) -> Any:  # noqa: ANN401 - whatever its maker put in
        """What it knows of an address, None for nothing."""


class Places:
    """Places by address; safe to use from several threads."""

    def __init__(self, readers: tuple[Reader, ...] = ()) -> None:
        self._readers = readers
        self._told: dict[str, str] = {}
        self._lock = threading.Lock()

    def tell(self, address: str, country: str) -> None:
        """Take the load balancer's word for the country of an address (two letters)."""
        if len(country) != _COUNTRY or not (country.isascii() and country.isalpha()):
            return
        with self._lock:
            if len(self._told) >= _MOST:
                self._told.clear()
            self._told[address] = country.upper()

    def told(self, address: str) -> str:
        """What the load balancer said of an address; empty where it said nothing."""
        return self._told.get(address, "")

    def __call__(self, address: str) -> Place | None:
        """Where an address is; None where nobody knows."""
        country, operator = self._told.get(address, ""), ""
        for reader in self._readers:
            found = _found(reader, address)
            country = country or _country(found)
            operator = operator or _operator(found)
        return Place(country=country, operator=operator) if country or operator else None


def open_places(env: Mapping[str, str]) -> Places:
    """The files that the settings name; none is fine."""
    names = [name.strip() for name in env.get(SETTING, "").split(",") if name.strip()]
    return Places(tuple(_opened(Path(name)) for name in names))


def _opened(path: Path) -> Reader:
    try:
        import maxminddb
    except ImportError as err:
        raise Misconfigured(f"{SETTING}: install maxminddb to read {path}") from err
    try:
        reader: Reader = maxminddb.open_database(path, maxminddb.MODE_MMAP)
    except (OSError, maxminddb.InvalidDatabaseError) as err:
        raise Misconfigured(f"{SETTING}: {path} cannot be read: {err}; name an .mmdb file") from err
    return reader


def _found(reader: Reader, address: str) -> dict[str, Any]:
    try:
        found = reader.get(address)
    except ValueError:  # a host name, nothing, or an address of the other kind
        return {}
    return found if isinstance(found, dict) else {}


def _country(found: dict[str, Any]) -> str:
    nested = found.get("country")
    code = nested.get("iso_code") if isinstance(nested, dict) else found.get("country_code")
    return code if isinstance(code, str) else ""


def _operator(found: dict[str, Any]) -> str:
    name = found.get("autonomous_system_organization") or found.get("organization")
    return name if isinstance(name, str) else ""
