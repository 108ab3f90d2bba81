# SPDX-License-Identifier: Apache-2.0
"""List what a Google Cloud project consists of. Reads only, and never the value of a secret.

Raises `Unavailable` that names role and remedy; `survey.py` goes on with what can be read."""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self, TypeVar

import msgspec

from twinguard.act import backlog
from twinguard.act.endpoints import override, session
from twinguard.decide.inventory import (
    Address,
    RunService,
    Version,
    short,
)
from twinguard.errors import Unavailable
from twinguard.inventory.listing import Source, pages
from twinguard.inventory.wire import (
    AddressOnWire,
    SecretOnWire,
    ServiceOnWire,
    SubscriptionOnWire,
    VersionOnWire,
)

T = TypeVar("T")
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
GOOGLE = {
    "CLOUD_RUN_ENDPOINT": "https://run.googleapis.com",
    "PUBSUB_ENDPOINT": "https://pubsub.googleapis.com",
    "MONITORING_ENDPOINT": backlog.GOOGLE,
    "SECRET_MANAGER_ENDPOINT": "https://secretmanager.googleapis.com",
    "COMPUTE_ENDPOINT": "https://compute.googleapis.com",
    "LOGGING_ENDPOINT": "https://logging.googleapis.com",
    "API_KEYS_ENDPOINT": "https://apikeys.googleapis.com",
    "IAM_ENDPOINT": "https://iam.googleapis.com",
    "RESOURCE_MANAGER_ENDPOINT": "https://cloudresourcemanager.googleapis.com",
    "FUNCTIONS_ENDPOINT": "https://cloudfunctions.googleapis.com",
    "SCHEDULER_ENDPOINT": "https://cloudscheduler.googleapis.com",
    "BUDGETS_ENDPOINT": "https://billingbudgets.googleapis.com",
}
_PAGE = {"pageSize": "500"}


class Reader:
    """One project over the APIs that `environ` points to, as a context manager."""

    def __init__(self, project: str, environ: Mapping[str, str], timeout: float = 30.0) -> None:
        self.project = project
        self.timeout = timeout
        self._hosts = {name: override(environ, name) for name in GOOGLE}
        self._hosts["PUBSUB_ENDPOINT"] = override(
            environ, "PUBSUB_ENDPOINT", "PUBSUB_EMULATOR_HOST"
        )
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self._open.close()

    def services(self, region: str) -> tuple[RunService, ...]:
        """The Cloud Run services of a region."""
        path = f"v2/projects/{self.project}/locations/{region}/services"
        source = self._source(
            "CLOUD_RUN_ENDPOINT", path, f"Cloud Run services in {region}", "roles/run.viewer"
        )
        found: list[ServiceOnWire] = []
        for page in self._pages("CLOUD_RUN_ENDPOINT", source, _PAGE):
            if page.get("unreachable"):
                raise Unavailable(f"cannot list {source.what}: the region does not answer")
            found += parsed(page, "services", tuple[ServiceOnWire, ...], source)
        return tuple(_read(source, one.read) for one in found)

    def subscriptions(self) -> tuple[SubscriptionOnWire, ...]:
        """The project's subscriptions as they are on the wire: their backlog is told apart."""
        source = self._source(
            "PUBSUB_ENDPOINT",
            f"v1/projects/{self.project}/subscriptions",
            "Pub/Sub subscriptions",
            "roles/pubsub.viewer",
        )
        found: list[SubscriptionOnWire] = []
        for page in self._pages("PUBSUB_ENDPOINT", source, _PAGE):
            found += parsed(page, "subscriptions", tuple[SubscriptionOnWire, ...], source)
        return tuple(found)

    def ages(self, now: dt.datetime) -> Mapping[str, dt.timedelta]:
        """How long the oldest unread messages wait, by the subscription's short name."""
        source = self._source(
            "MONITORING_ENDPOINT",
            f"v3/projects/{self.project}/timeSeries",
            "unread messages (Monitoring)",
            "roles/monitoring.viewer",
        )
        answers = self._pages("MONITORING_ENDPOINT", source, backlog.of_all(now))
        return backlog.oldest_ages(answers, now)

    def secrets(self) -> tuple[SecretOnWire, ...]:
        """The project's secrets, without versions and without values."""
        source = self._source(
            "SECRET_MANAGER_ENDPOINT",
            f"v1/projects/{self.project}/secrets",
            "secrets",
            "roles/secretmanager.viewer",
        )
        found: list[SecretOnWire] = []
        for page in self._pages("SECRET_MANAGER_ENDPOINT", source, _PAGE):
            found += parsed(page, "secrets", tuple[SecretOnWire, ...], source)
        return tuple(found)

    def versions(self, secret: str) -> tuple[Version, ...]:
        """The versions of a secret that are not destroyed."""
        source = self._source(
            "SECRET_MANAGER_ENDPOINT",
            f"v1/projects/{self.project}/secrets/{short(secret)}/versions",
            f"versions of secret {short(secret)}",
            "roles/secretmanager.viewer",
        )
        found: list[VersionOnWire] = []
        for page in self._pages("SECRET_MANAGER_ENDPOINT", source, _PAGE):
            found += parsed(page, "versions", tuple[VersionOnWire, ...], source)
        versions = (one.read() for one in found)
        return tuple(version for version in versions if version is not None)

    def addresses(self) -> tuple[Address, ...]:
        """The project's addresses in all regions."""
        parent = f"projects/{self.project}"
        source = self._source(
            "COMPUTE_ENDPOINT",
            f"compute/v1/{parent}/aggregated/addresses",
            "addresses",
            "roles/compute.viewer",
        )
        found: list[Address] = []
        for page in self._pages("COMPUTE_ENDPOINT", source, {"maxResults": "500"}):
            if page.get("unreachables"):
                raise Unavailable(f"cannot list {source.what}: some regions do not answer")
            scopes = page.get("items") or {}
            for scope, held in scopes.items() if isinstance(scopes, dict) else ():
                wire = parsed(held, "addresses", tuple[AddressOnWire, ...], source)
                found += [one.read(f"{parent}/{scope}") for one in wire]
        return tuple(found)

    def _source(self, api: str, path: str, what: str, role: str) -> Source:
        return Source(f"{self._hosts[api] or GOOGLE[api]}/{path}", what, role, self.project)

    def _pages(
        self, api: str, source: Source, query: Mapping[str, str]
    ) -> Iterator[dict[str, Any]]:
        return pages(self._http(api, source), source, query, self.timeout)

    def _http(self, api: str, source: Source) -> Any:  # noqa: ANN401 - google-auth has no types
        http = self._local if self._hosts[api].startswith("http://") else self._signed
        if http is None:
            raise Unavailable(
                f"cannot list {source.what}: no credentials; "
                "run gcloud auth application-default login"
            )
        return http

    @functools.cached_property
    def _local(self) -> Any:  # noqa: ANN401 - google-auth has no types
        return self._open.enter_context(session("http://127.0.0.1", SCOPE))

    @functools.cached_property
    def _signed(self) -> Any:  # noqa: ANN401
        """A session with credentials, or None where there are none: looked for once."""
        from google.auth.exceptions import GoogleAuthError

        try:
            return self._open.enter_context(session("", SCOPE))
        except GoogleAuthError:
            return None


def parsed(page: Any, field: str, shape: type[T], source: Source) -> T:  # noqa: ANN401
    """The items of a page, or `Unavailable` where they are not what Google sends."""
    listed = page.get(field, ()) if isinstance(page, dict) else page
    try:
        return msgspec.convert(listed, shape, strict=False)
    except msgspec.ValidationError as err:
        raise Unavailable(f"cannot list {source.what}: {err}; the answer is not Google's") from err


def _read(source: Source, read: Callable[[], T]) -> T:
    try:
        return read()
    except ValueError as err:
        raise Unavailable(f"cannot list {source.what}: {err}") from err
