# SPDX-License-Identifier: Apache-2.0
"""OpenAI's files and batches over HTTP: what a job that can wait needs of them.

Its key goes to the provider only; bodies and answers are in no message."""

from __future__ import annotations

import functools
import secrets
from typing import Any, Final

import msgspec
from msgspec import Struct

from twinguard.errors import Misconfigured, Unavailable
from twinguard.readers import ready
from twinguard.secret_text import SecretText

__all__ = ["OVER", "BatchApi", "Stage"]

OVER: Final = frozenset({"completed", "failed", "expired", "cancelled"})
"""What a batch's status is at its end."""

_WINDOW, _TIMEOUT = "24h", 60.0
_OK, _MISSING = 200, 404


class _Counts(Struct):
    total: int = 0
    completed: int = 0
    failed: int = 0


class _Batch(Struct):
    id: str
    status: str = ""
    output_file_id: str | None = None
    error_file_id: str | None = None
    request_counts: _Counts | None = None
    metadata: dict[str, str] | None = None


class _Page(Struct):
    data: tuple[_Batch, ...] = ()


class _File(Struct):
    id: str


ready(_Batch, _File, _Page)


class Stage(Struct, frozen=True):
    """How far a batch is."""

    status: str
    total: int
    completed: int
    failed: int
    files: tuple[str, ...]

    @property
    def is_over(self) -> bool:
        """True once nothing more will come."""
        return self.status in OVER


class BatchApi:
    """One provider's batches."""

    def __init__(self, base: str, key: SecretText) -> None:
        if not key:
            raise Misconfigured("OPENAI_API_KEY is missing; a batch needs the provider's key")
        self._base, self._key = base.rstrip("/"), key

    def __repr__(self) -> str:
        return f"BatchApi({self._base})"

    def upload(self, data: bytes) -> str:
        """The id of a new input file."""
        mark = secrets.token_hex(16)
        head = (
            f'--{mark}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
            f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="batch.jsonl"\r\n'
            "Content-Type: application/jsonl\r\n\r\n"
        ).encode()
        body = head + data + f"\r\n--{mark}--\r\n".encode()
        kind = f"multipart/form-data; boundary={mark}"
        found: _File = _read(self._asked("POST", "/files", body, kind), _File)
        return found.id

    def create(self, file: str, endpoint: str, name: str) -> str:
        """The id of the batch of that name: a new one over the file, unless it was made before."""
        known: _Page = _read(self._asked("GET", "/batches?limit=100"), _Page)
        for batch in known.data:
            if (batch.metadata or {}).get("job") == name:  # our answer was lost on its way
                return batch.id
        told = {
            "input_file_id": file,
            "endpoint": endpoint,
            "completion_window": _WINDOW,
            "metadata": {"job": name},
        }
        body = msgspec.json.encode(told)
        made: _Batch = _read(self._asked("POST", "/batches", body, "application/json"), _Batch)
        return made.id

    def stage(self, batch: str) -> Stage:
        """How far a batch is."""
        found: _Batch = _read(self._asked("GET", f"/batches/{batch}"), _Batch)
        counts = found.request_counts or _Counts()
        files = tuple(file for file in (found.output_file_id, found.error_file_id) if file)
        return Stage(found.status, counts.total, counts.completed, counts.failed, files)

    def content(self, file: str) -> bytes:
        """What is in a file."""
        return self._asked("GET", f"/files/{file}/content")

    def delete(self, file: str) -> None:
        """Remove a file: others share the provider's key. One that is gone already is fine."""
        self._asked("DELETE", f"/files/{file}", missing=True)

    def _asked(
        self, method: str, path: str, body: bytes = b"", kind: str = "", *, missing: bool = False
    ) -> bytes:
        import requests

        headers = {"Authorization": f"Bearer {self._key.reveal()}"}
        if kind:
            headers["Content-Type"] = kind
        try:
            answer = self._http.request(
                method,
                f"{self._base}{path}",
                data=body or None,
                headers=headers,
                timeout=_TIMEOUT,
                allow_redirects=False,
            )
        except requests.RequestException as err:
            # The name only: a text could quote the request's headers.
            told = f"the provider's batches do not answer ({type(err).__name__})"
            raise Unavailable(told) from None
        if answer.status_code == _OK or (missing and answer.status_code == _MISSING):
            return bytes(answer.content)
        what = path.split("/")[1].partition("?")[0]
        raise Unavailable(
            f"the provider refuses {method} {what} with {answer.status_code}; ask again later"
        )

    @functools.cached_property
    def _http(self) -> Any:  # noqa: ANN401 - a session of requests
        import requests

        found = requests.Session()
        found.trust_env = False  # a .netrc would replace the key, a proxy would see it
        return found


def _read(raw: bytes, kind: type[Any]) -> Any:  # noqa: ANN401 - what was asked for
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.DecodeError as err:
        raise Unavailable("the provider's answer about a batch cannot be read") from err
