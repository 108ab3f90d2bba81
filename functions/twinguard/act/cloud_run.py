# SPDX-License-Identifier: Apache-2.0
"""Read and change the scaling of Cloud Run services, and nothing else of them.

Each write is one masked PATCH, guarded by the etag, waited for and read back; which changes are
legal is known in `decide/scaling.py`."""

from __future__ import annotations

import datetime as dt
import functools
from typing import Any

from twinguard.act.endpoints import checked, client_arguments, named, translated
from twinguard.decide.model import Live, Mode, Scaling, Value
from twinguard.errors import Unavailable

_PATHS = {
    "mode": "scaling.scaling_mode",
    "minimum": "scaling.min_instance_count",
    "maximum": "scaling.max_instance_count",
    "count": "scaling.manual_instance_count",
    "revision_minimum": "template.scaling.min_instance_count",
    "revision_maximum": "template.scaling.max_instance_count",
}


def mask(before: Scaling, after: Scaling) -> tuple[str, ...]:
    """The update mask's paths: what differs, and the count with every change of mode.

    Another count is never inherited by accident: entering manual mode names it, leaving clears
    it."""
    switched = before.mode is not after.mode
    return tuple(
        path
        for name, path in _PATHS.items()
        if getattr(before, name) != getattr(after, name) or (switched and name == "count")
    )


class CloudRun:
    """`Scaler` for services named `projects/…/locations/…/services/…`.

    `wait` bounds the wait for one change in seconds, `poll` is the first pause between looks."""

    def __init__(
        self, endpoint: str = "", timeout: float = 30.0, wait: float = 300.0, poll: float = 1.0
    ) -> None:
        self.endpoint = checked(endpoint, "CLOUD_RUN_ENDPOINT")
        self.timeout = timeout
        self.wait = wait
        self.poll = poll

    def read(self, name: str) -> Live | None:
        """The service's scaling, or None where there is no such service."""
        from google.api_core.exceptions import NotFound

        what = f"cannot read {name}"
        with translated(what):
            try:
                service = self._client.get_service(name=name, retry=None, timeout=self.timeout)
            except NotFound:
                return None
        return Live(_scaling(named(service, what)), service.etag)

    def patience(self, name: str) -> dt.timedelta | None:  # noqa: ARG002 - the port's
        """A service loses nothing while it is lowered: None, for ever."""
        return None

    def write(self, name: str, value: Value, seen: Live) -> None:
        """Change what differs from `seen` in one request, wait for it and read it back."""
        if not isinstance(value, Scaling) or not isinstance(seen.value, Scaling):
            raise TypeError(f"{name} is a service; it cannot become {value!r}")
        paths = mask(seen.value, value)
        if not paths:
            return
        with translated(f"cannot change {name}"):
            self._patch(name, value, paths, seen.etag)
        live = self.read(name)
        if live is None or live.value != value:
            found = "nothing" if live is None else live.value
            raise Unavailable(f"{name}: {value} was written but not confirmed; found {found}")

    def _patch(self, name: str, value: Scaling, paths: tuple[str, ...], etag: str) -> None:
        from google.api_core.future.polling import DEFAULT_POLLING
        from google.protobuf.field_mask_pb2 import FieldMask

        operation = self._client.update_service(
            service=_body(name, value, paths, etag),
            update_mask=FieldMask(paths=paths),
            retry=None,
            timeout=self.timeout,
        )
        polling = DEFAULT_POLLING.with_delay(self.poll, 10 * self.poll, 1.5)
        operation.result(timeout=self.wait, polling=polling)

    @functools.cached_property
    def _client(self) -> Any:  # noqa: ANN401 - the generated client has no types
        from google.cloud import run_v2

        return run_v2.ServicesClient(**client_arguments(self.endpoint))


def _scaling(service: Any) -> Scaling:  # noqa: ANN401
    """A service's scaling in our words. In manual mode the service's limits count for nothing."""
    from google.cloud.run_v2 import ServiceScaling

    service_level, revision = service.scaling, service.template.scaling
    limits = (revision.min_instance_count, revision.max_instance_count)
    if service_level.scaling_mode == ServiceScaling.ScalingMode.MANUAL:
        return Scaling(Mode.MANUAL, 0, 0, service_level.manual_instance_count, *limits)
    service_limits = (service_level.min_instance_count, service_level.max_instance_count)
    return Scaling(Mode.AUTOMATIC, *service_limits, 0, *limits)


def _body(name: str, value: Scaling, paths: tuple[str, ...], etag: str) -> Any:  # noqa: ANN401
    """The PATCH's body: the name, the etag, and what the mask names; zeros stay unset.

    A manual count of zero is sent: it alone is told apart from unset."""
    from google.cloud import run_v2

    service = run_v2.Service(name=name, etag=etag)
    if _PATHS["mode"] in paths:
        modes = run_v2.ServiceScaling.ScalingMode
        service.scaling.scaling_mode = getattr(modes, value.mode.name)
    if value.minimum and _PATHS["minimum"] in paths:
        service.scaling.min_instance_count = value.minimum
    if value.maximum and _PATHS["maximum"] in paths:
        service.scaling.max_instance_count = value.maximum
    if value.mode is Mode.MANUAL and _PATHS["count"] in paths:
        service.scaling.manual_instance_count = value.count
    if value.revision_minimum and _PATHS["revision_minimum"] in paths:
        service.template.scaling.min_instance_count = value.revision_minimum
    if value.revision_maximum and _PATHS["revision_maximum"] in paths:
        service.template.scaling.max_instance_count = value.revision_maximum
    return service
