# SPDX-License-Identifier: Apache-2.0
"""Whether everybody may do what they need and nothing else. Pure.

What is needed is in `grants.py`. A role that is missing stops a control, one too many is a way
around it."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping

from twinguard.decide import grants
from twinguard.decide.deployment import (
    NARROWED,
    AccountState,
    Deployment,
    Iam,
    Known,
    Names,
    Project,
)
from twinguard.decide.grants import Grant
from twinguard.decide.health import Check, Look, State
from twinguard.decide.inventory import Gap, short, subject
from twinguard.policy import Policy

ACCESS = "access"
_KEEP, _DEPRIVILEGE = "keep", "deprivilege"
_EVERYBODY = ("allUsers", "allAuthenticatedUsers")
_BASIC = ("roles/owner", "roles/editor", "roles/viewer")
_LOGGED = frozenset({"ADMIN_READ", "DATA_READ", "DATA_WRITE"})
_AUDITED = "secretmanager.googleapis.com"
_COMMANDS = {
    "topics": "gcloud pubsub topics",
    "subscriptions": "gcloud pubsub subscriptions",
    "secrets": "gcloud secrets",
    "services": "gcloud run services",
}


def access(policy: Policy, seen: Deployment, channel_secrets: frozenset[str]) -> Iterator[Check]:
    """The budget's topic, then all roles, default accounts, and the log of who read what."""
    names, apply = seen.named(policy), f"make apply ENV={policy.environment}"
    topic = names.topic("budget-alerts")
    told = seen.topics if isinstance(seen.topics, Gap) else seen.iam.get(topic)
    yield _publishers(names, apply, told)
    yield from _granted(names, seen, grants.expected(names, channel_secrets))
    look = Look(ACCESS, "roles of our own")
    yield look.about(seen.roles, functools.partial(_roles, names, look, apply), apply)
    look = Look(ACCESS, "default accounts")
    if policy.project.default_accounts != _KEEP:
        judge_accounts = functools.partial(_defaults, names, look, seen.project)
        yield look.about(seen.accounts, judge_accounts, apply)
    look = Look(ACCESS, "audit log of secrets")
    yield look.about(seen.project, functools.partial(_audited, look, apply), apply)


def _granted(names: Names, seen: Deployment, wanted: frozenset[Grant]) -> Iterator[Check]:
    """Roles that are needed and roles beyond; what could not be read may hide either.

    Without the project's number nobody can tell Google's own accounts from strangers."""
    others = {at: iam for at, iam in seen.iam.items() if at != names.topic("budget-alerts")}
    known = {at: iam for at, iam in others.items() if not isinstance(iam, Gap)}
    read = (seen.project, seen.topics, seen.subscriptions, seen.secrets, seen.services)
    unread = [one.why for one in (*read, *others.values()) if isinstance(one, Gap)]
    for name, judge in (("roles that are needed", _missing), ("roles beyond that", _wider)):
        look = Look(ACCESS, name)
        found = look.unknown(unread[0]) if unread else look.ok("")
        if not isinstance(seen.project, Gap):
            judged = judge(names, look, wanted, known)
            found = judged if judged.state is State.FAILED or not unread else found
        yield found


def _publishers(names: Names, apply: str, found: Known[Iam] | None) -> Check:
    look = Look(ACCESS, "publishers of budget messages")
    if found is None:
        return look.failed("there is no topic for them", apply)
    if isinstance(found, Gap):
        return look.unknown(found.why)
    wanted = (grants.PUBLISHER, grants.BUDGETS)
    if others := sorted(found - {wanted}):
        role, member = others[0]
        return look.failed(
            f"{member} has {role}: whoever may publish here can trip the cap",
            _remove(names, names.topic("budget-alerts"), role, member),
        )
    if wanted not in found:
        return look.failed("Google may not publish: no message can come", apply)
    return look.ok("Google alone")


def _missing(names: Names, look: Look, wanted: frozenset[Grant], known: Mapping[str, Iam]) -> Check:
    lacking = sorted(
        one
        for one in wanted
        if not one.may and one.resource in known and not one.is_in(known[one.resource])
    )
    if lacking:
        one = lacking[0]
        return look.failed(
            f"{short(one.member)} lacks {short(one.role)} on {subject(one.resource)}"
            f"{_more(len(lacking))}",
            f"make apply ENV={names.policy.environment}",
        )
    return look.ok(f"all {len(wanted)} are granted")


def _wider(names: Names, look: Look, wanted: frozenset[Grant], known: Mapping[str, Iam]) -> Check:
    allowed = {(one.resource, one.role, one.member) for one in wanted}
    # Google's own agents have roles that Google gives them.
    home = f"@{names.policy.project.id}.iam.gserviceaccount.com"
    mine = {one.member for one in wanted if one.member.endswith(home)}
    beyond = sorted(
        (at, role, member)
        for at, iam in known.items()
        for role, member in iam
        if (at, role, member) not in allowed
        and (member in mine or _is_own(names, at) or (member in _EVERYBODY and at == names.project))
    )
    if beyond:
        at, role, member = beyond[0]
        return look.failed(
            f"{member} has {short(role)} on {subject(at)}, which nothing needs{_more(len(beyond))}",
            _remove(names, at, role, member),
        )
    return look.ok("nobody has more than that")


def _is_own(names: Names, resource: str) -> bool:
    """True for what is Twinguard's alone: whoever is named there must be of the policy.

    The application's own services may well be public."""
    kind, name = resource.split("/")[-2:]
    return kind == "secrets" or (kind != "projects" and name.startswith(f"{names.prefix}-"))


def _roles(names: Names, look: Look, apply: str, known: Mapping[str, frozenset[str]]) -> Check:
    for name in sorted(grants.roles(names.policy)):
        found, wanted = known.get(names.role(name)), grants.ROLES[name]
        if found is None:
            return look.failed(f"{short(names.role(name))} does not exist", apply)
        if more := sorted(found - wanted):
            return look.failed(f"{short(names.role(name))} may also {', '.join(more)}", apply)
        if less := sorted(wanted - found):
            return look.failed(f"{short(names.role(name))} may not {', '.join(less)}", apply)
    return look.ok("they hold what our code calls, and nothing else")


def _defaults(
    names: Names, look: Look, project: Known[Project], known: tuple[AccountState, ...]
) -> Check:
    """Google's own accounts, which get the role of an editor where nobody took care."""
    ends = ("-compute@developer.gserviceaccount.com", "@appspot.gserviceaccount.com")
    active = [one.email for one in known if one.email.endswith(ends) and not one.disabled]
    if names.policy.project.default_accounts == _DEPRIVILEGE:
        iam = frozenset() if isinstance(project, Gap) else project.iam
        mighty = {member for role, member in iam if role in _BASIC}
        active = [email for email in active if grants.member(email) in mighty]
    if active:
        return look.failed(
            f"{active[0]} is enabled: whatever runs without an account of its own runs as it"
            f"{_more(len(active))}",
            f"gcloud iam service-accounts disable {active[0]}",
        )
    return look.ok("none that may do anything")


def _audited(look: Look, apply: str, known: Project) -> Check:
    off = sorted(_LOGGED - known.audited.get(_AUDITED, frozenset()))
    if off:
        return look.failed(f"{', '.join(off)} is not logged: a thief would leave no trace", apply)
    return look.ok("who reads a secret is logged")


def _remove(names: Names, resource: str, role: str, member: str) -> str:
    """The command that takes a role away."""
    kind, name = resource.split("/")[-2:]
    command = _COMMANDS.get(kind, "gcloud projects")
    place = f" --region={names.policy.region}" if kind == "services" else ""
    which = ""
    if role.endswith(NARROWED):
        which = " --all"
    elif kind not in _COMMANDS:  # gcloud asks which of a role's grants is meant
        which = " --condition=None"
    named = f"--role={role.removesuffix(NARROWED)} --member={member}{which}{place}"
    return f"{command} remove-iam-policy-binding {name} {named}"


def _more(count: int) -> str:
    return f" (and {count - 1} more)" if count > 1 else ""
