# SPDX-License-Identifier: Apache-2.0
"""The blocks of a policy that say what Terraform provisions around the functions.

Types and rules only. `policy.py` holds what the functions act on, and the whole."""

# Annotations are values here, not texts: msgspec would compile each of them as a function starts.
import re
from decimal import Decimal
from typing import Annotated

from msgspec import Meta

from twinguard.blocks import Block, refuse
from twinguard.words import DefaultAccounts, FirebaseAuth

__all__ = [
    "ApiKey",
    "Application",
    "BillingExport",
    "Counters",
    "Create",
    "Delivery",
    "Firebase",
    "Project",
    "Quota",
    "Secret",
    "ServiceBudget",
]

ProjectId = Annotated[str, Meta(pattern="^[a-z][a-z0-9-]{4,28}[a-z0-9]$")]
AccountId = Annotated[str, Meta(pattern="^[a-z][a-z0-9-]{4,28}[a-z0-9]$")]
Digits = Annotated[str, Meta(pattern="^[0-9]+$")]
Api = Annotated[str, Meta(pattern="^[a-z0-9-]+(\\.[a-z0-9-]+)*\\.googleapis\\.com$")]
Role = Annotated[str, Meta(pattern="^roles/[a-zA-Z]+(\\.[a-zA-Z]+)+$")]
"""A predefined role. Basic ones (`roles/owner`, `editor`, `viewer`) have no dot."""

_MIGHTY = r"(?i)(admin|owner)$|^roles/(secretmanager\.|iam\.|pubsub\.(publisher|editor)$)"
"""Roles that the application never has on the whole project."""

Member = Annotated[
    str, Meta(pattern="^(serviceAccount|group|user):[^@\\s]+@[A-Za-z0-9-]+(\\.[A-Za-z0-9-]+)+$")
]
Reader = Annotated[
    str,
    Meta(
        pattern="^(application|tests|(serviceAccount|group|user):"
        "[^@\\s]+@[A-Za-z0-9-]+(\\.[A-Za-z0-9-]+)+)$",
        description="`application`, `tests` (delivery.tests), or a member like group:a@b.com.",
    ),
]


_PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
_WIDEST, _NARROWEST = 16, 26
_BROADEST = {4: 16, 6: 32}
"""The widest ranges of addresses that still restrict a key, by version of IP."""
_SITE = re.compile(r"(https?://)?(\*\.)?([a-z0-9-]+\.)+[a-z]{2,}(:[0-9]+)?(/.*)?")


class Create(Block, frozen=True, kw_only=True):
    """Where the project is created; without this block it exists already and is adopted."""

    seed: Annotated[
        ProjectId, Meta(description="Project that pays for the calls that create this one.")
    ]
    folder: Annotated[Digits | None, Meta(description="Number of the folder it is made in.")] = None
    organisation: Annotated[
        Digits | None, Meta(description="Number of the organisation it is made in.")
    ] = None

    def __post_init__(self) -> None:
        refuse(
            (self.folder is None) == (self.organisation is None),
            "create: needs a folder or an organisation, by its number; write one of the two",
        )


class Project(Block, frozen=True, kw_only=True):
    """The Google Cloud project of the environment."""

    id: Annotated[ProjectId, Meta(description="Its id, not its number.")]
    shared: Annotated[
        bool, Meta(description="Another environment lives in it: budgets filter by label.")
    ] = False
    create: Create | None = None
    default_accounts: Annotated[
        DefaultAccounts,
        Meta(description="What becomes of Google's default service accounts, which may do a lot."),
    ] = DefaultAccounts.DISABLE
    protected: Annotated[
        bool, Meta(description="Secrets, records and counters refuse to be destroyed.")
    ] = True


class Application(Block, frozen=True, kw_only=True):
    """The service account that the application runs as (strategy.md 2.2)."""

    account: Annotated[AccountId, Meta(description="What comes before the @ of its e-mail.")]
    roles: Annotated[tuple[Role, ...], Meta(description="On the project; predefined ones.")] = ()

    def __post_init__(self) -> None:
        mighty = [role for role in self.roles if re.search(_MIGHTY, role)]
        refuse(
            bool(mighty),
            f"application.roles: {', '.join(mighty)} would let a stolen key of the application "
            "rule the project, its secrets or the budget's topic; write what it does, like "
            "roles/datastore.user",
        )


class Secret(Block, frozen=True, kw_only=True):
    """A secret of the application (strategy.md 5); its id is `<environment>-<name>`."""

    readers: Annotated[
        tuple[Reader, ...], Meta(min_length=1, description="Who may read its value.")
    ]
    rotation_days: Annotated[int, Meta(ge=1, le=3650, description="When it is to be renewed.")] = 90
    destroy_ttl_days: Annotated[
        int, Meta(ge=1, le=1000, description="How long a destroyed version can be had back.")
    ] = 30


class ApiKey(Block, frozen=True, kw_only=True):
    """A Google API key; never one that anybody could use for anything."""

    apis: Annotated[
        tuple[Api, ...],
        Meta(min_length=1, description="Which APIs it opens, as translate.googleapis.com."),
    ]
    addresses: Annotated[tuple[str, ...], Meta(description="IP ranges, for a server's key.")] = ()
    referrers: Annotated[tuple[str, ...], Meta(description="Sites, for a browser's key.")] = ()

    def __post_init__(self) -> None:
        refuse(
            bool(self.addresses) == bool(self.referrers),
            "a key needs addresses (a server's) or referrers (a browser's); write one of the two",
        )
        for part in (self.apis, self.addresses, self.referrers):
            refuse(
                len(set(part)) < len(part),
                "an API, an address or a referrer stands there twice; remove one",
            )
        for address in self.addresses:
            _check_range(address)
        for site in self.referrers:
            refuse(
                not _SITE.fullmatch(site),
                f"{site[:80]!r} names no site, with * for subdomains and pages at most; write it "
                "like https://app.example.com/*",
            )


def _check_range(address: str) -> None:
    import ipaddress

    try:
        network = ipaddress.ip_network(address, strict=False)
    except ValueError:
        raise ValueError(
            f"{address[:80]!r} is no IP address or range; write it like 203.0.113.7 or "
            "203.0.113.0/28"
        ) from None
    refuse(
        network.prefixlen < _BROADEST[network.version],
        f"{address} is wider than /{_BROADEST[network.version]}: half of the internet is no "
        "restriction; name your servers' own",
    )


class Quota(Block, frozen=True, kw_only=True):
    """A hard limit at Google itself, below its default (strategy.md 6.3)."""

    service: Annotated[Api, Meta(description="Whose quota it is, as run.googleapis.com.")]
    quota: Annotated[str, Meta(pattern="^[A-Za-z][A-Za-z0-9_-]+$", description="The quota's id.")]
    value: Annotated[int, Meta(ge=0, description="The limit, in the quota's own unit.")]
    dimensions: Annotated[
        dict[str, str], Meta(description="Which part of it, as a region or a model.")
    ] = {}


class Counters(Block, frozen=True, kw_only=True):
    """The store of the fast counters, in a private network; without it they are in the records."""

    node: Annotated[
        str, Meta(pattern="^[A-Z][A-Z0-9_]+$", description="Type of its nodes at Memorystore.")
    ] = "SHARED_CORE_NANO"
    shards: Annotated[int, Meta(ge=1, le=250, description="Keys are spread over so many.")] = 1
    replicas: Annotated[
        int,
        Meta(
            ge=0,
            le=5,
            description="Copies of each shard; without one, a lost node loses its counts.",
        ),
    ] = 0
    cidr: Annotated[
        str, Meta(pattern="^[0-9.]+/[0-9]+$", description="Addresses of the private network.")
    ] = "10.80.0.0/24"

    def __post_init__(self) -> None:
        import ipaddress

        try:
            network = ipaddress.IPv4Network(self.cidr)
        except ValueError as err:
            raise ValueError(f"counters.cidr: {err}; write it like 10.80.0.0/24") from err
        refuse(
            not any(network.subnet_of(ipaddress.IPv4Network(each)) for each in _PRIVATE),
            f"counters.cidr: {self.cidr} is not private; take it from {', '.join(_PRIVATE)}",
        )
        refuse(
            not _WIDEST <= network.prefixlen <= _NARROWEST,
            f"counters.cidr: {self.cidr} must end in /{_WIDEST} to /{_NARROWEST}: Cloud Run takes "
            "no smaller subnetwork, and more is waste",
        )


class Delivery(Block, frozen=True, kw_only=True):
    """Who may deploy without a key: one GitHub repository, by numbers that cannot be re-used."""

    repository_id: Annotated[Digits, Meta(description="0 matches no repository.")]
    owner_id: Annotated[Digits, Meta(description="The number of the repository's owner.")]
    branch: Annotated[str, Meta(pattern="^[A-Za-z0-9._/-]+$", description="May apply.")] = "main"
    tests: Annotated[
        AccountId | None, Meta(description="Account of the test runs, from any branch.")
    ] = None
    state_bucket: Annotated[
        str | None, Meta(description="Bucket of the state, where the pipeline may use it.")
    ] = None
    state_project: Annotated[
        ProjectId | None, Meta(description="Project of that bucket, where it is another one.")
    ] = None

    def __post_init__(self) -> None:
        refuse(
            self.state_project is not None and self.state_bucket is None,
            "delivery.state_project is the project of state_bucket; name that as well",
        )


class BillingExport(Block, frozen=True, kw_only=True):
    """The dataset that Cloud Billing exports to: where costs are read from."""

    project: Annotated[ProjectId, Meta(description="Project of the dataset.")]
    dataset: Annotated[
        str, Meta(pattern="^[A-Za-z_][A-Za-z0-9_]*$", description="Its name there.")
    ] = "billing_export"
    location: Annotated[
        str,
        Meta(pattern="^(EU|US|[a-z]+-[a-z]+[0-9]+)$", description="EU and US fill in the past."),
    ] = "EU"
    create: Annotated[bool, Meta(description="This environment makes it, in its project.")] = False
    connected: Annotated[
        bool, Meta(description="The export is switched on, and its first rows are there.")
    ] = False
    detailed: Annotated[bool, Meta(description="The detailed export is on as well.")] = False
    readers: Annotated[tuple[Member, ...], Meta(description="Who else may read it.")] = ()


class Firebase(Block, frozen=True, kw_only=True):
    """Firebase of the environment (strategy.md 2.3); without it: emulator and mocks."""

    auth: Annotated[FirebaseAuth, Meta(description="What the application may do with users.")]
    authorized_domains: Annotated[
        tuple[str, ...], Meta(description="Sites that may sign users in.")
    ] = ()


class ServiceBudget(Block, frozen=True, kw_only=True):
    """A part of the budget for one Google service: it tells by e-mail and never acts."""

    service: Annotated[
        str,
        Meta(
            pattern="^services/[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{4}$",
            description="Its id in Google's catalogue.",
        ),
    ]
    amount: Annotated[Decimal, Meta(description="Per month, in the budget's currency.")]

    def __post_init__(self) -> None:
        refuse(self.amount <= 0, "amount must be above zero; correct it")
