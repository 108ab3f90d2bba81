# SPDX-License-Identifier: Apache-2.0
"""OpenAI's files and batches: what a provider keeps between two questions. No network in here.

A batch is in progress when it is first looked at, and over the next time."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from twinguard.standins import openai_answers as answers

_OK, _WRONG, _MISSING = 200, 400, 404


class Batches:
    """Files and batches of one account."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.ending = "completed"
        """How the next batches end."""
        self.fails: set[str] = set()
        """The custom ids of requests that fail."""
        self._looks: dict[str, int] = {}

    def answer(
        self, method: str, path: str, raw: bytes, headers: Mapping[str, str]
    ) -> tuple[int, bytes]:
        """Status and body of the answer to a request."""
        path = path.partition("?")[0]
        parts = path.strip("/").split("/")[1:]
        match method, parts:
            case "POST", ["files"]:
                return self._upload(raw, headers)
            case "GET", ["files", name, "content"] if name in self.files:
                return _OK, self.files[name]
            case "DELETE", ["files", name] if name in self.files:
                del self.files[name]
                return _told({"id": name, "object": "file", "deleted": True})
            case _, ["batches", *rest]:
                return self._batch(method, rest, raw)
        return _MISSING, json.dumps(answers.error(_MISSING, "not_found")).encode()

    def _batch(self, method: str, rest: list[str], raw: bytes) -> tuple[int, bytes]:
        if method == "POST" and not rest:
            return self._create(json.loads(raw))
        if not rest:
            return _told({"object": "list", "data": list(self.batches.values())})
        if rest[0] in self.batches:
            return self._look(rest[0])
        return _MISSING, json.dumps(answers.error(_MISSING, "not_found")).encode()

    def _upload(self, raw: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        mark = re.search(r"boundary=(\S+)", headers.get("content-type", ""))
        if mark is None:
            return _WRONG, json.dumps(answers.error(_WRONG)).encode()
        for part in raw.split(b"--" + mark[1].encode()):
            head, _, content = part.partition(b"\r\n\r\n")
            if b'name="file"' in head:
                name = f"file-{len(self.files) + len(self.batches) + 1}"
                self.files[name] = content[:-2]
                return _told({"id": name, "object": "file", "purpose": "batch"})
        return _WRONG, json.dumps(answers.error(_WRONG)).encode()

    def _create(self, body: Mapping[str, Any]) -> tuple[int, bytes]:
        if body.get("input_file_id") not in self.files:
            return _WRONG, json.dumps(answers.error(_WRONG)).encode()
        name = f"batch_{len(self.batches) + 1}"
        self.batches[name] = {
            "id": name,
            "object": "batch",
            "status": "validating",
            "endpoint": body["endpoint"],
            "input_file_id": body["input_file_id"],
            "metadata": body.get("metadata"),
        }
        return _told(self.batches[name])

    def _look(self, name: str) -> tuple[int, bytes]:
        batch = self.batches[name]
        self._looks[name] = self._looks.get(name, 0) + 1
        lines = self.files.get(batch["input_file_id"], b"").splitlines()
        counts = {"total": len(lines), "completed": 0, "failed": 0}
        if self._looks[name] == 1:
            batch |= {"status": "in_progress", "request_counts": counts}
        elif batch["status"] == "in_progress":
            self._run(batch, [json.loads(line) for line in lines])
        return _told(batch)

    def _run(self, batch: dict[str, Any], rows: list[dict[str, Any]]) -> None:
        done = rows if self.ending == "completed" else rows[: len(rows) // 2]
        good = [row for row in done if row["custom_id"] not in self.fails]
        bad = [row for row in done if row["custom_id"] in self.fails]
        batch |= {"status": self.ending}
        batch |= {"request_counts": {"total": len(rows), "completed": len(good)}}
        batch["request_counts"]["failed"] = len(bad)
        for field, chosen, status in (
            ("output_file_id", good, _OK),
            ("error_file_id", bad, _WRONG),
        ):
            if chosen:
                name = f"{batch['id']}-{field}"
                results = [_result(batch["endpoint"], row, status) for row in chosen]
                self.files[name] = b"\n".join(results) + b"\n"
                batch[field] = name


def _result(path: str, row: Mapping[str, Any], status: int) -> bytes:
    body, asked = answers.error(status), row["body"]
    if status == _OK:
        usage = answers.chat_usage(asked)
        if path.endswith("/embeddings"):
            usage = answers.embeddings_usage(asked)
        elif path.endswith("/responses"):
            usage = answers.responses_usage(asked)
        body = answers.document(path, asked, 1, usage)
    told = {
        "id": f"batch_req_{row['custom_id']}",
        "custom_id": row["custom_id"],
        "response": {"status_code": status, "request_id": "r", "body": body},
        "error": None,
    }
    return json.dumps(told).encode()


def _told(body: Mapping[str, Any]) -> tuple[int, bytes]:
    return _OK, json.dumps(body).encode()
