# SPDX-License-Identifier: Apache-2.0
"""Encrypt and decrypt environment files with sops, through pipes: plaintext never touches a disk.

Who can read a file is said by the policy's `env_file`, otherwise by the checkout's `.sops.yaml`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from twinguard.application import EnvFile
from twinguard.errors import Misconfigured, Unavailable

__all__ = ["Locked", "decrypt", "encrypt", "is_sealed", "names", "program"]

VERSION = "3.13.3"
SOPS = Path(__file__).resolve().parents[3] / ".cache" / "sops" / VERSION / "sops"
GET = f"go install github.com/getsops/sops/v3/cmd/sops@v{VERSION}"

RECIPIENTS = (
    *("SOPS_AGE_RECIPIENTS", "SOPS_GCP_KMS_IDS", "SOPS_KMS_ARN", "SOPS_PGP_FP"),
    *("SOPS_AZURE_KEYVAULT_URLS", "SOPS_VAULT_URIS", "SOPS_HUAWEICLOUD_KMS_IDS", "SOPS_CONFIG"),
)
"""Variables by which sops would let others read the file besides; they are not passed on."""

_TYPES = ("--input-type", "dotenv", "--output-type", "dotenv")
_SEALED = re.compile(r"(?m)^([A-Za-z_][A-Za-z0-9_]*)=(.*)$")
_OWN = "sops_"
_TIMEOUT = 60.0


class Locked(Unavailable):
    """No key at hand opens the file."""


def program(environ: Mapping[str, str]) -> str:
    """Where sops is, or a refusal that says how to get it."""
    if found := shutil.which("sops", path=environ.get("PATH")):
        return found
    if os.access(SOPS, os.X_OK):
        return str(SOPS)
    raise Misconfigured(
        f"sops is missing, and production's file is only ever written encrypted; install it: {GET} "
        "(or a package from github.com/getsops/sops/releases)"
    )


def encrypt(text: str, recipients: EnvFile | None, path: Path, environ: Mapping[str, str]) -> bytes:
    """The sealed file; `path` is where it will be, as the rules of `.sops.yaml` see it."""
    keys = []
    if recipients is not None:
        keys += ["--age", ",".join(recipients.age)] if recipients.age else []
        keys += ["--gcp-kms", recipients.kms] if recipients.kms is not None else []
    command = ["encrypt", *keys, *_TYPES, "--filename-override", _below(path)]
    done = _run(command, text.encode(), path, environ)
    if done.returncode and b"no creation rules" in done.stderr:
        raise Misconfigured(
            f"nobody is named who could read {path.name}; write a public key of age or a key of "
            "Cloud KMS into the policy's env_file, or creation_rules into .sops.yaml"
        )
    if done.returncode:
        # What sops says may quote the line that it stumbled over.
        raise Unavailable(
            f"sops could not encrypt {path.name} (exit status {done.returncode}); check the keys "
            "in env_file or .sops.yaml, and for Cloud KMS the credentials and the network"
        )
    _check_nothing_shows(done.stdout, text, path.name)
    return done.stdout


def decrypt(data: bytes, path: Path, environ: Mapping[str, str]) -> bytes:
    """What is in a sealed file, or `Locked` where no key at hand opens it."""
    done = _run(["decrypt", *_TYPES, "--filename-override", _below(path)], data, path, environ)
    if done.returncode and b"MAC mismatch" in done.stderr:
        raise Misconfigured(
            f"{path.name} was changed after it was encrypted (MAC mismatch); write it anew"
        )
    if done.returncode:
        raise Locked(f"no key at hand opens {path.name}; set SOPS_AGE_KEY_FILE, or sign in for KMS")
    return done.stdout


def is_sealed(data: bytes) -> bool:
    """True for a file that sops wrote."""
    return re.search(rb"(?m)^sops_mac=ENC\[", data) is not None


def names(data: bytes) -> tuple[str, ...]:
    """The variables in a sealed file: their names are readable without a key."""
    return tuple(name for name, _ in _pairs(data) if not name.startswith(_OWN))


def _pairs(data: bytes) -> list[tuple[str, str]]:
    return _SEALED.findall(data.decode(errors="replace"))


def _check_nothing_shows(sealed: bytes, text: str, name: str) -> None:
    """A rule in `.sops.yaml` can leave values readable; such a file is not written."""
    pairs = _pairs(sealed)
    readable = [one for one, value in pairs if not one.startswith(_OWN) and value[:4] != "ENC["]
    if readable or len(names(sealed)) != len(_SEALED.findall(text)) or not is_sealed(sealed):
        raise Misconfigured(
            f"{name}: sops left {', '.join(readable) or 'something'} readable, so nothing was "
            "written; remove encrypted_regex and its kind from .sops.yaml"
        )


def _below(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def _run(
    command: list[str], data: bytes, path: Path, environ: Mapping[str, str]
) -> subprocess.CompletedProcess[bytes]:
    own = {name: value for name, value in environ.items() if name not in RECIPIENTS}
    try:
        return subprocess.run(  # noqa: S603 - a fixed program, and arguments from the policy
            [program(environ), *command],
            input=data,
            capture_output=True,
            cwd=path.parent.parent,
            env=own,
            timeout=_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Unavailable(
            f"sops did not answer within {_TIMEOUT:.0f} s; check the network"
        ) from None
    except OSError as err:
        raise Unavailable(f"sops cannot be started ({err.strerror}); install it: {GET}") from err
