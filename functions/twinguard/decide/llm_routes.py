# SPDX-License-Identifier: Apache-2.0
"""Which model answers, at which provider, and who else if that one does not. Pure.

`auto` takes the cheapest that is good enough for the task. A local model goes first where there is
one; whatever nobody priced is never chosen by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from twinguard.decide.llm_codes import Code
from twinguard.decide.llm_requests import Asked, Endpoint, Mistake
from twinguard.policy import AUTO, LOCAL, MOCK, OPENAI, Gateway, Policy, ServedModel

_USUAL_QUALITY: Final = 0

Priced = Callable[[str, str], int | None]
"""The most that this request costs with a model of a provider; None where nobody knows."""


class Route(Struct, frozen=True):
    """A model at a provider. `prices`: by whose prices it is counted."""

    model: str
    provider: str
    prices: str


def served(policy: Policy) -> dict[str, ServedModel]:
    """The models that may be asked for: the gateway's, else the application's one."""
    models = dict(policy.gateway.models) if policy.gateway is not None else {}
    if policy.openai is not None:
        models.setdefault(policy.openai.model, ServedModel())
    if policy.local_llm is not None:
        models.setdefault(policy.local_llm.model, ServedModel(provider=LOCAL))
    return models


def routes(
    policy: Policy, asked: Asked, task: str, priced: Priced, *, local: bool = True
) -> tuple[Route, ...] | Mistake:
    """Where to ask, one after the other."""
    models = served(policy)
    if asked.model == AUTO:
        chosen = _chosen(policy, models, asked, task, priced)
    elif task:
        return Mistake(f"a task is for the model {AUTO!r}; leave one of them out", "model")
    else:
        chosen = _named(models, asked)
    if isinstance(chosen, Mistake):
        return chosen
    found = [route_of(policy, name, models[name]) for name in chosen]
    if policy.mocks is not None and policy.mocks.llm_responses:
        return (Route(chosen[0], MOCK, LOCAL),)
    if local and policy.local_llm is not None and asked.endpoint is not Endpoint.EMBEDDINGS:
        nearby = Route(policy.local_llm.model, LOCAL, LOCAL)
        found = [nearby, *(route for route in found if route != nearby)]
    return tuple(found)


def _named(models: dict[str, ServedModel], asked: Asked) -> list[str] | Mistake:
    model = models.get(asked.model)
    if model is None:
        told = f"the model {asked.model!r} is not served here; GET /v1/models lists those that are"
        return Mistake(told, "model", Code.MODEL_NOT_FOUND)
    if model.embeddings is not (asked.endpoint is Endpoint.EMBEDDINGS) and model.provider != LOCAL:
        does = "makes embeddings only" if model.embeddings else "makes no embeddings"
        return Mistake(f"the model {asked.model!r} {does}; choose another", "model")
    return [asked.model, *model.fallbacks]


def _chosen(
    policy: Policy, models: dict[str, ServedModel], asked: Asked, task: str, priced: Priced
) -> list[str] | Mistake:
    """The models that are good enough for the task, the cheapest first."""
    gateway = policy.gateway or Gateway()
    if task and task not in gateway.tasks:
        known = ", ".join(sorted(gateway.tasks)) or "none"
        return Mistake(f"the task {task[:40]!r} is not known; there are: {known}", None)
    floor = gateway.tasks.get(task, _USUAL_QUALITY)
    wants_embeddings = asked.endpoint is Endpoint.EMBEDDINGS
    costs = {
        name: cost
        for name, model in models.items()
        if model.embeddings is wants_embeddings
        and (model.quality >= floor or wants_embeddings)
        and (cost := priced(name, route_of(policy, name, model).prices)) is not None
    }
    if not costs:
        return Mistake(f"no model is good enough for {task or 'this'}; name one", "model")
    order = sorted(costs, key=lambda name: (costs[name], -models[name].quality, name))
    return order[:1] if wants_embeddings else order


def route_of(policy: Policy, name: str, model: ServedModel) -> Route:
    """Where a model is asked, and by whose prices it is counted."""
    if model.provider in {OPENAI, LOCAL} or policy.gateway is None:
        return Route(name, model.provider, model.provider)
    provider = policy.gateway.providers[model.provider]
    return Route(name, model.provider, provider.prices or model.provider)
