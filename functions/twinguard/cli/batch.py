# SPDX-License-Identifier: Apache-2.0
"""Send a file of requests that can wait through the provider's batch API, at half price.

The same command goes on where it stopped: plan, send, look, fetch. Exit codes: 0 done or planned,
1 under way, 2 wrong usage, 3 unavailable."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import Annotated

import typer

from twinguard import config, state
from twinguard.cli.deployed import settings
from twinguard.cli.desk import Apply, Env, exiting
from twinguard.cli.scale_output import say
from twinguard.decide.ledger import Refused, dollars_of
from twinguard.errors import BadEvent, Misconfigured
from twinguard.gateway_wiring import offline_from
from twinguard.llm.doorkeeper import UNNAMED
from twinguard.llm.offline import Job, Offline, Order

UNDER_WAY = 1
_PAUSE = 30.0
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")

app = typer.Typer(add_completion=False, help=__doc__, pretty_exceptions_enable=False)


@app.command()
def batch(
    *,
    env: Env,
    file: Annotated[Path, typer.Option(help="Requests as OpenAI's batches have them.")],
    tenant: Annotated[str, typer.Option(help="Whose it is.")],
    feature: Annotated[str, typer.Option(help="The feature that pays.")] = UNNAMED,
    output: Annotated[Path | None, typer.Option(help="Where the results go.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Look again until it is over.")] = False,
    apply: Apply = False,
) -> None:
    """Plan a batch, send it, look how far it is, fetch its results."""
    with exiting():
        for name in (tenant, feature):
            if not _NAME.fullmatch(name):
                raise Misconfigured(f"{name[:40]!r}: write 1 to 100 letters, digits, '.', '_', '-'")
        policy = config.load(config.path_of(config.environment_named(env)))
        found = settings(policy, os.environ)
        records = state.open_records(found["TWINGUARD_RECORDS"])
        with offline_from(policy, found, records) as offline:
            order = _ordered(offline, file)
            job = offline.job(order, tenant)
            if job is None and not apply:
                _plan(order)
                return
            if job is None or not job.batch:
                job = _begun(offline, order, tenant, feature)
            _finish(offline, order, job, output or file.with_suffix(".results.jsonl"), wait=wait)


def _ordered(offline: Offline, file: Path) -> Order:
    try:
        return offline.order(file.read_bytes())
    except OSError as err:
        raise Misconfigured(f"{file}: cannot be read ({err.strerror})") from err
    except BadEvent as err:
        raise Misconfigured(f"{file}: {err}") from err


def _plan(order: Order) -> None:
    say(
        f"{len(order.requests):,} requests for {order.endpoint}, at half price: "
        f"{dollars_of(order.nanos):.4f} USD at most, held until the results are there"
    )
    say("Nothing was sent; add --apply to do it (with make: APPLY=1).")


def _begun(offline: Offline, order: Order, tenant: str, feature: str) -> Job:
    job = offline.begin(order, tenant, feature)
    if isinstance(job, Refused):
        raise Misconfigured(
            f"{dollars_of(order.nanos):.4f} USD cannot be held: {job.remedy}; nothing was sent"
        )
    say(f"Sent as {job.batch}; up to {dollars_of(order.nanos):.4f} USD are held for it")
    return job


def _finish(offline: Offline, order: Order, job: Job, output: Path, *, wait: bool) -> None:
    if job.ended:
        say(f"{job.batch} {job.ended}; it cost {dollars_of(job.spent):.6f} USD")
        return
    stage = offline.look(job)
    while wait and not stage.is_over:
        time.sleep(_PAUSE)
        stage = offline.look(job)
    if not stage.is_over:
        say(f"{job.batch}: {stage.status}, {stage.completed:,} of {stage.total:,}; ask again")
        raise typer.Exit(UNDER_WAY)
    job, results = offline.end(order, job, stage, output)
    count = len(results.splitlines())
    say(f"{job.batch} {job.ended}: {count:,} results in {output}")
    say(f"It cost {dollars_of(job.spent):.6f} USD; the rest of what was held is free again")


if __name__ == "__main__":
    app()
