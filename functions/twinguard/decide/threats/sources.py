# SPDX-License-Identifier: Apache-2.0
"""Bring addresses, user agents and paths into the form that is compared. Never raises.

What a caller sends is hostile: every result is short, and whatever cannot be read is a name."""

from __future__ import annotations

import re
import zlib

from msgspec import Struct

from twinguard.decide.threats.values import NetworkKind, Place

_FOUR = re.compile(r"(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})", re.ASCII)
_INTERNAL = re.compile(
    r"(10|127|192\.168|172\.(1[6-9]|2\d|3[01]))\.[\d.]+|f[cd][0-9a-f]{2}:.*|[^:]*[a-z][^:]*",
    re.ASCII,
)
_GROUP = re.compile(r"[0-9a-f]{1,4}")
_NUMBERS = re.compile(r"\d+([._-]\d+)*")
_IDENTIFIER = re.compile(r"[0-9a-f]{8,}|\d+|[A-Za-z0-9_-]{20,}|[a-z]+[_-][A-Za-z0-9]{12,}")
_PRODUCT = re.compile(r"(?<![\w.+-])[A-Za-z][\w.+-]*")
_LONGEST = 28
_DEPTH = 4
_GROUPS = 8
_BYTE = 255

SCANNERS = re.compile(
    r"trufflehog|gitleaks|sqlmap|nikto|nuclei|masscan|zgrab|gobuster|dirbuster|feroxbuster|wfuzz"
    r"|ffuf|hydra|medusa|nmap|acunetix|nessus|openvas|metasploit|keyhunter|keyhack|burp|\bkali\b"
    r"|wpscan|dirsearch|arachni|w3af|havij|zmeu|keychecker|key-checker",
    re.IGNORECASE,
)
"""Software made to try what it does not own."""

GENERIC = re.compile(
    r"^$|^(curl|wget|python|python-requests|python-httpx|python-urllib|aiohttp|httpx|go-http-client"
    r"|axios|node-fetch|node|undici|okhttp|java|libwww-perl|ruby|php|guzzlehttp|postmanruntime"
    r"|insomnia|got|requests|urllib|http|scrapy|httpie)\b",
    re.IGNORECASE,
)
"""What a script says of itself when nobody told it to say more."""

LISTING = re.compile(r"/(models|engines|me|organizations?|usage|billing|account|whoami|files)/?$")
"""What a thief asks first: does it work, and what is it worth."""

IDLE = frozenset(
    f"{start}/{name}"
    for start in ("", "/api", "/v1", "/api/v1", "/-", "/_")
    for name in (
        *("health", "healthz", "healthcheck", "health/live", "health/ready", "livez", "readyz"),
        *("live", "ready", "ping", "heartbeat", "favicon.ico", "robots.txt"),
    )
)
"""Paths that give nothing away: who asks for no more than these has stolen nothing yet."""


class Source(Struct, frozen=True):
    """An address as it is compared: itself (IPv6 by /64), its network, and its place.

    `network` is the operator where that is known, else the surrounding block or domain."""

    address: str
    network: str
    country: str
    kind: NetworkKind


NOWHERE = Source(address="", network="", country="", kind=NetworkKind.UNKNOWN)


def source_of(ip: str, place: Place | None) -> Source:
    """How an address, a host name or nothing is compared."""
    address, block = _normal(ip[:256].strip().lower())
    if not address:
        return NOWHERE
    if place is None:
        kind = NetworkKind.INTERNAL if _INTERNAL.fullmatch(address) else NetworkKind.UNKNOWN
        return Source(address, block, "", kind)
    network = _short(place.operator.strip().lower()) or block
    return Source(address, network, _short(place.country.strip()), place.network_kind)


def normal_address(ip: str) -> str:
    """The form in which an address is looked up: IPv4 inside IPv6 is IPv4."""
    text = ip[:256].strip().lower()
    return text.rpartition(":")[2] if text.startswith("::ffff:") and "." in text else text


def blocks(address: str) -> tuple[str, ...]:
    """The blocks around an address of which one operator has all, the smallest first."""
    if _FOUR.fullmatch(address):
        near, _, _ = address.rpartition(".")
        return near, near.rpartition(".")[0]
    if ":" in address and (groups := _six(address)) is not None:
        return ":".join(groups[:3]) + "::/48", ":".join(groups[:2]) + "::/32"
    return ()


def agent_family(agent: str) -> str:
    """The products that a user agent names, without versions: an upgrade is no new agent."""
    text = agent[:512]
    if text.startswith("Mozilla/"):
        return _browser(text)
    bare = re.sub(r"\([^)]*\)", " ", text)
    names = [_NUMBERS.sub("", found[0]).rstrip("._+-") for found in _PRODUCT.finditer(bare)]
    named = " ".join([name for name in names if len(name) > 1][:3]).lower()
    return _short(named or _NUMBERS.sub("", text.strip().lower()))


def _browser(text: str) -> str:
    systems = ("iphone", "ipad", "android", "windows", "mac os", "cros", "linux")
    brands = ("edg", "opr", "firefox", "fxios", "crios", "chrome", "safari")
    low = text.lower()
    system = next((name for name in systems if name in low), "")
    brand = next((name for name in brands if f"{name}/" in low), "other")
    return f"mozilla {brand} {system}".strip()


def path_class(path: str) -> str:
    """A path without its query and without what identifies one thing in it."""
    parts = path[:512].partition("?")[0].split("/")
    kept = [
        "*" if _IDENTIFIER.fullmatch(part) and not _is_version(part) else part for part in parts
    ]
    return _short("/".join(kept[: _DEPTH + 1]))


def _is_version(part: str) -> bool:
    return part[:1] == "v" and part[1:].isdigit()


def _normal(text: str) -> tuple[str, str]:
    """Address and surrounding block."""
    text = text.removeprefix("[").partition("]")[0].partition("%")[0]
    if text.startswith("::ffff:") and "." in text:
        text = text[7:]
    if (found := _FOUR.fullmatch(text)) and all(int(part) <= _BYTE for part in found.groups()):
        return ".".join(str(int(part)) for part in found.groups()), f"{found[1]}.{found[2]}/16"
    if ":" in text and (groups := _six(text)) is not None:
        return ":".join(groups[:4]) + "::/64", ":".join(groups[:2]) + "::/32"
    return _short(text), _domain(text)


def _six(text: str) -> list[str] | None:
    """The eight groups of an IPv6 address, None for anything else."""
    head, gap, tail = text.partition("::")
    first = head.split(":") if head else []
    last = tail.split(":") if tail else []
    missing = _GROUPS - len(first) - len(last)
    if (missing < 1 if gap else missing != 0) or "::" in tail:
        return None
    groups = [*first, *["0"] * missing, *last]
    if not all(_GROUP.fullmatch(group) for group in groups):
        return None
    return [group.lstrip("0") or "0" for group in groups]


def _domain(text: str) -> str:
    labels = [label for label in text.split(".") if label]
    kept = labels[-3:] if len(labels) > 3 else labels[-2:]  # noqa: PLR2004 - a host in a zone
    return _short(_NUMBERS.sub("#", ".".join(kept)))


def _short(text: str) -> str:
    """Long names end in a checksum, so that they stay apart: baselines are bounded."""
    if len(text) <= _LONGEST and text.isascii():
        return text
    start = text[:18].encode("ascii", "replace").decode()
    return f"{start}~{zlib.crc32(text.encode('utf-8', 'replace')):08x}"
