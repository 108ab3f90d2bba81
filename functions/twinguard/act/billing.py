# SPDX-License-Identifier: Apache-2.0
"""See whether a project has a billing account, and take it off one.

It can never link a project again: only a person can. Costs are not in this API."""

from __future__ import annotations

import functools
from typing import Any

from twinguard.act.endpoints import checked, client_arguments, named, translated
from twinguard.errors import Unavailable


class Billing:
    """`BillingAccounts` over the Cloud Billing API. Projects are given by their id."""

    def __init__(self, endpoint: str = "", timeout: float = 30.0) -> None:
        self.endpoint = checked(endpoint, "BILLING_ENDPOINT")
        self.timeout = timeout

    def is_linked(self, project: str) -> bool:
        """True while the project has an open billing account."""
        return bool(self._info(project).billing_enabled)

    def unlink(self, project: str) -> None:
        """Take the project off its billing account and confirm it."""
        from google.cloud import billing_v1

        with translated(f"cannot unlink billing of {project}"):
            self._client.update_project_billing_info(
                name=f"projects/{project}",
                project_billing_info=billing_v1.ProjectBillingInfo(billing_account_name=""),
                retry=None,
                timeout=self.timeout,
            )
        info = self._info(project)
        if info.billing_enabled or info.billing_account_name:
            raise Unavailable(
                f"{project}: unlinking was not confirmed; it still has {info.billing_account_name}"
            )

    def _info(self, project: str) -> Any:  # noqa: ANN401 - the generated client has no types
        what = f"cannot read billing of {project}"
        with translated(what):
            info = self._client.get_project_billing_info(
                name=f"projects/{project}", retry=None, timeout=self.timeout
            )
        return named(info, what)

    @functools.cached_property
    def _client(self) -> Any:  # noqa: ANN401
        from google.cloud import billing_v1

        return billing_v1.CloudBillingClient(**client_arguments(self.endpoint))
