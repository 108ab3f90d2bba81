# SPDX-License-Identifier: Apache-2.0
"""Serve the dashboard: on this machine by default, in the cloud behind IAP. Ends with Ctrl-C.

Pages are in `twinguard/web/dashboard`; here it is only said what they are about."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import getpass
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, cast

import typer
import uvicorn
from msgspec.structs import replace

from twinguard import config, logs, wiring
from twinguard.cli.baselines import read
from twinguard.cli.costs_source import opened
from twinguard.cli.deployed import settings, usage_topic
from twinguard.cli.exits import exiting
from twinguard.counters import Store
from twinguard.decide.threats.baseline import Baseline
from twinguard.errors import Misconfigured
from twinguard.flow import Ports
from twinguard.places import Places
from twinguard.policy import Environment, Policy
from twinguard.ports import Recent
from twinguard.raising import ledger_from
from twinguard.settled import settled
from twinguard.theft_flow import TheftFlow
from twinguard.theft_lifts import Lifting, Nobody
from twinguard.web.dashboard.app import Dashboard, application
from twinguard.web.dashboard.findings_file import FindingsFile
from twinguard.web.dashboard.security import RecordedSecurity
from twinguard.web.dashboard.site import site_from
from twinguard.web.dashboard.watched import Source, Watched

KEPT = Path(__file__).resolve().parents[3] / ".cache" / "dashboard"
"""Where records are kept of environments that are deployed nowhere."""

PORT = 8765
_GRACE = 2


def main(
    *,
    env: Annotated[str, typer.Option(help="One environment; else all but local.")] = "",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on this machine.")] = PORT,
    page: Annotated[str, typer.Option(help="Page whose address is printed.")] = "",
    findings: Annotated[
        Path | None, typer.Option(help="Findings that api_security_monitor.py writes; needs --env.")
    ] = None,
    source: Annotated[str, typer.Option(help="Costs: a file, bigquery://; else a sample.")] = "",
    baselines: Annotated[
        Path | None, typer.Option(help="What `make baseline` learned; needs --env.")
    ] = None,
    deployed: Annotated[
        bool, typer.Option("--deployed", help="Read the environments' own records in Firestore.")
    ] = False,
) -> None:
    """Serve the dashboard until Ctrl-C.

    Exit codes: 0 ended, 2 wrong usage or setting, 3 a store does not answer."""
    with exiting():
        environ = dict(os.environ)
        in_cloud = "K_SERVICE" in environ
        policies = _policies(env, environ)
        own = {
            "--findings": findings,
            "--baselines": baselines,
            "TWINGUARD_RECORDS": environ.get("TWINGUARD_RECORDS"),
        }
        if len(policies) > 1 and (what := next((name for name in own if own[name]), "")):
            raise Misconfigured(f"{what} is of one environment; name it: --env (with make: ENV=)")
        if len(policies) > 1:
            environ.pop("TWINGUARD_COUNTERS", None)  # they are of one environment
        watched = {
            policy.environment.value: _watched(
                policy,
                _settings(policy, environ, deployed),
                source,
                findings,
                read(baselines) if baselines else {},
                is_deployed=deployed or in_cloud,
            )
            for policy in policies
        }
        app = application(watched, site_from(environ, _login(in_cloud=in_cloud)), _now, settled)
        _serve(app, int(environ.get("PORT", port)) if in_cloud else port, page, in_cloud=in_cloud)


class _Server(uvicorn.Server):
    """A server that lets listeners go as soon as it is told to end."""

    def __init__(self, app: Dashboard, *, host: str) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=host,
                log_level="warning",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=_GRACE,
            )
        )
        self._app = app

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End, on a signal."""
        asyncio.get_running_loop().call_soon_threadsafe(self._app.end)
        super().handle_exit(sig, frame)


def _serve(app: Dashboard, port: int, page: str, *, in_cloud: bool) -> None:
    logs.configure([])
    host = "0.0.0.0" if in_cloud else "127.0.0.1"  # noqa: S104 - Cloud Run's proxy is in front
    try:
        listening = socket.create_server((host, port), reuse_port=False)
    except OSError as err:
        raise Misconfigured(
            f"port {port}: {os.strerror(err.errno or 0)}; name another: --port (with make: PORT=)"
        ) from err
    if not in_cloud:
        place = f"http://127.0.0.1:{listening.getsockname()[1]}/{page}"
        typer.echo(f"Dashboard: {place}  (Ctrl-C ends it)")
    with listening, contextlib.suppress(KeyboardInterrupt):
        _Server(app, host=host).run(sockets=[listening])


def _policies(env: str, environ: Mapping[str, str]) -> list[Policy]:
    if environ.get("TWINGUARD_POLICY") or environ.get("TWINGUARD_POLICY_FILE"):
        return [wiring.policy_from(environ)]
    if env:
        return [config.load(config.path_of(config.environment_named(env)))]
    names = [name for name in Environment if name is not Environment.LOCAL]
    return [config.load(config.path_of(name)) for name in names]


def _settings(policy: Policy, environ: Mapping[str, str], deployed: bool) -> dict[str, str]:
    """The settings, with records of this machine where no others are named."""
    if deployed or "K_SERVICE" in environ:
        return settings(policy, environ)
    own = {name: value for name, value in environ.items() if value}
    if "TWINGUARD_RECORDS" in own:
        return own
    try:
        KEPT.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise Misconfigured(
            f"{KEPT} cannot be made ({err.strerror}); set TWINGUARD_RECORDS instead"
        ) from err
    return own | {"TWINGUARD_RECORDS": f"sqlite:///{KEPT / f'{policy.environment}.sqlite'}"}


def _watched(
    policy: Policy,
    found: dict[str, str],
    source: str,
    findings: Path | None,
    learned: Mapping[str, Baseline],
    *,
    is_deployed: bool,
) -> Watched:
    silent = {"TWINGUARD_ALERTS_TOPIC": f"projects/{policy.project.id}/topics/nobody"}
    ports = wiring.ports_from(silent | found)
    file = FindingsFile(findings) if findings else None
    counters = wiring.counters_from(found, Places()) if found.get("TWINGUARD_COUNTERS") else None
    usual = learned.get if learned or counters is None else counters.baseline
    return Watched(
        policy,
        ports,
        cast("Recent", ports.records),
        _costs(policy, source),
        RecordedSecurity(policy, ports.records, file, usual),
        _now,
        tells="TWINGUARD_ALERTS_TOPIC" in found,
        lifting=_lifting(policy, ports, counters, found, is_deployed=is_deployed),
        ledger=ledger_from(policy, ports.records, found),
        counters=None if counters is None or counters.is_instant else counters,
    )


def _lifting(
    policy: Policy,
    ports: Ports,
    counters: Store | None,
    found: Mapping[str, str],
    *,
    is_deployed: bool,
) -> Lifting | None:
    """How keys held for theft are let go: here where the counters are named, else there."""
    if counters is not None:
        if "TWINGUARD_ALERTS_TOPIC" not in found:
            ports = replace(ports, publisher=Nobody())
        return Lifting(TheftFlow(policy, ports, counters), "")
    return Lifting(TheftFlow(policy, ports, None), usage_topic(policy)) if is_deployed else None


def _costs(policy: Policy, source: str) -> Callable[[dt.datetime], AbstractContextManager[Source]]:
    @contextmanager
    def costs(now: dt.datetime) -> Iterator[Source]:
        with opened(policy.environment.value, "", source, now) as found:
            yield Source(found.ledger, found.note, found.is_sample)

    return costs


def _login(*, in_cloud: bool) -> str:
    if in_cloud:
        return ""
    try:
        return getpass.getuser()
    except (KeyError, OSError) as err:
        raise Misconfigured("nobody is logged in, so nobody could be named in the audit") from err


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


if __name__ == "__main__":
    typer.run(main)
