# SPDX-License-Identifier: Apache-2.0
"""No value of a key or a secret is in a plan, so none comes into a state: Terraform knows none."""

from __future__ import annotations

import dataclasses
import zipfile

import pytest

from twinguard.policy import Environment

KEEPERS = {
    *("google_apikeys_key", "google_service_account_key", "google_storage_hmac_key"),
    *("google_secret_manager_secret_version", "google_secret_manager_regional_secret_version"),
    *("google_sql_user", "google_redis_instance", "random_password", "random_string"),
    *("tls_private_key", "google_iam_workforce_pool_provider_key", "google_kms_secret_ciphertext"),
}
"""Resources whose value a provider keeps in the state, or reads back into it."""

MARK = "marked-0123456789"
SHELL = {
    name: f"{MARK}-{name}".lower()
    for name in (
        *("OPENAI_ADMIN_KEY", "OPENAI_API_KEY_STAGING", "NEO4J_STAGING_PASSWORD"),
        *("TWINGUARD_KEY_PEPPER", "SMTP_PASSWORD", "TWILIO_AUTH_TOKEN", "SLACK_WEBHOOK_URL"),
    )
}
RESTRICTED = "api_keys: {maps-key: {apis: [maps.googleapis.com], addresses: [10.0.0.1]}}\n"
ROTATED = (
    ("  requests_per_minute: 100", "  requests_per_minute: 100\n  project: proj_marked"),
    ("budget:\n", f"{RESTRICTED}budget:\n"),
    ("  openai-api-key:", "  maps-key: {readers: [application]}\n  openai-api-key:"),
)


@pytest.mark.parametrize("environment", set(Environment) - {Environment.LOCAL})
def test_no_resource_keeps_a_value(workspace, environment):
    """ncecere/terraform-provider-litellm#173, BerriAI/litellm PR #32241: keys in the state."""
    made = workspace.plan(environment.value).made

    assert {at for at in made if KEEPERS & set(at.split("."))} == set()


def test_a_plan_made_from_a_shell_full_of_keys_holds_none(workspace):
    """Neither the plan, which becomes the state, nor anything else that Terraform wrote."""
    shell = dataclasses.replace(workspace, env={**workspace.env, **SHELL})
    plan = shell.plan("staging", *ROTATED)
    roots = [
        path.parent
        for path in workspace.folder.glob("environments/staging-*/policy.yaml")
        if "proj_marked" in path.read_text()
    ]
    written = {
        path.name: path.read_bytes()
        for root in roots
        for path in root.iterdir()
        if path.is_file() and path.name != "plan"
    }
    for root in roots:
        with zipfile.ZipFile(root / "plan") as archive:
            written |= {f"plan/{name}": archive.read(name) for name in archive.namelist()}

    assert plan.refusal == ""
    assert {name for name, data in written.items() if MARK.encode() in data.lower()} == set()
    assert {"plan/tfplan", "plan/tfstate", "answer.json"} <= set(written)
    assert b"proj_marked" in written["answer.json"]
