# SPDX-License-Identifier: Apache-2.0
"""No file that git keeps, or would keep, holds anything that looks like a live secret."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PATTERNS = {
    "OpenAI key": r"\bsk-(?:proj-|svcacct-|admin-)?[A-Za-z0-9_-]{20,}",
    "Google API key": r"\bAIza[0-9A-Za-z_-]{35}",
    "Google OAuth token": r"\bya29\.[0-9A-Za-z_-]{20,}",
    "private key": r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----\s*(?:\\n)?[A-Za-z0-9+/=]{20,}",
    "service account file": r'"private_key_id"\s*:\s*"[0-9a-f]{40}"',
    "Slack webhook": r"hooks\.slack\.com/services/T[A-Z0-9]{8,}/B[A-Z0-9]{8,}/[A-Za-z0-9]{20,}",
    "Slack token": r"\bxox[abeoprs]-[0-9]{8,}-[0-9A-Za-z-]{16,}",
    "Twilio token": r"(?i)twilio_auth_token['\"]?\s*[=:]\s*['\"]?[0-9a-f]{32}\b",
    "PagerDuty key": r"(?i)(?:routing|integration)_key['\"]?\s*[=:]\s*['\"]?[0-9a-zA-Z]{32}\b",
    "GitHub token": r"\bgh[pousr]_[A-Za-z0-9]{36}",
    "AWS key": r"\bAKIA[0-9A-Z]{16}\b",
    "age key": r"\bAGE-SECRET-KEY-1[0-9A-Z]{20,}",
    "password in a URL": r"\b[a-z][a-z0-9+]*://[^\s/:@{}$<>'\"]+:(?!\[hidden\])[^\s@{}$<>'\"%]{12,}@",
}
COMPILED = {name: re.compile(pattern) for name, pattern in PATTERNS.items()}


def secrets_in(text: str) -> list[str]:
    """What kinds of secrets a text holds, with the line and never the value."""
    return [
        f"line {text.count(chr(10), 0, found.start()) + 1}: {name}"
        for name, pattern in COMPILED.items()
        for found in pattern.finditer(text)
    ]


def kept_files() -> list[Path]:
    """The files git tracks or would track; where there is no git, all that is not generated."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return sorted({ROOT / name for name in done.stdout.split("\0") if name})
    hidden = (".venv", "__pycache__", "_cache", ".hypothesis")
    return sorted(
        path
        for path in ROOT.rglob("*")
        if path.is_file() and not any(part.endswith(hidden) for part in path.parts)
    )


def test_no_file_holds_a_secret():
    found = {
        str(path.relative_to(ROOT)): kinds
        for path in kept_files()
        if path.is_file() and (kinds := secrets_in(path.read_text(errors="replace")))
    }

    assert found == {}


@pytest.mark.parametrize("name", [".env", ".env.production", "credentials.json", "key.pem"])
def test_no_file_is_named_like_a_keeper_of_secrets(name):
    assert [path for path in kept_files() if path.name == name] == []


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("OpenAI key", "key = 'sk-" + "proj-" + "a1B2" * 8 + "'"),
        ("OpenAI key", "OPENAI_API_KEY=sk-" + "a1B2" * 12),
        ("Google API key", "AIza" + "Sy0123_" * 5),
        ("private key", "-----BEGIN " + "PRIVATE KEY-----\n" + "MIIE" * 8),
        ("private key", '"-----BEGIN RSA ' + "PRIVATE KEY-----\\n" + "MIIE" * 8),
        ("Slack webhook", "https://hooks.slack.com/" + "services/T0123ABCD/B0123ABCD/" + "x" * 24),
        ("Twilio token", "TWILIO_AUTH_TOKEN=" + "0123456789abcdef" * 2),
        ("PagerDuty key", '"routing_key": "' + "R0" * 16 + '"'),
        ("password in a URL", "redis://default:" + "correcthorsebattery@cache:6379"),
    ],
)
def test_a_secret_would_be_found(kind, text):
    assert secrets_in(f"\n{text}\n") == [f"line 2: {kind}"]


@pytest.mark.parametrize(
    "text",
    [
        "sk-xxxxx",
        "task-force-risk-averse-people-and-others",
        "https://hooks.slack.com/services/xxx/yyy/zzz",
        "TWILIO_AUTH_TOKEN=xxxxx",
        "-----BEGIN PRIVATE KEY-----",
        "neo4j://staging.neo4j.io",
    ],
)
def test_an_example_is_no_secret(text):
    assert secrets_in(text) == []
