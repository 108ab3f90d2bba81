# SPDX-License-Identifier: Apache-2.0
# `make` alone lists the targets. Recipes stay short; the logic lives in functions/twinguard/cli.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
CLI := $(RUN) -m twinguard.cli
LOCK := $(VENV)/bin/uv pip compile --quiet --universal --generate-hashes \
	--python-version 3.11 --no-header --no-emit-index-url --no-emit-find-links \
	$(if $(UPGRADE),--upgrade)

export PYTHONPATH := $(CURDIR)/functions
# Compiled modules start several times faster, so a setting that forbids them does not count here.
unexport PYTHONDONTWRITEBYTECODE

# $(call needs,NAME,EXAMPLE): stop with `NAME=EXAMPLE missing` where the variable is empty.
needs = $(if $($(1)),,$(error $(1)=$(2) missing))
changes = $(if $(APPLY),--apply)
# $(call quoted,TEXT): one word for the shell, whatever is in it.
quoted = '$(subst ','\'',$(1))'
costs = $(if $(SOURCE),--source $(SOURCE)) $(if $(PROJECT),--project $(PROJECT)) \
	$(if $(MONTH),--month $(MONTH)) $(if $(JSON),--json)
dashboard = $(if $(ENV),--env $(ENV)) $(if $(PORT),--port $(PORT)) $(if $(SOURCE),--source $(SOURCE)) \
	$(if $(FINDINGS),--findings $(FINDINGS)) $(if $(BASELINES),--baselines $(BASELINES)) $(if $(DEPLOYED),--deployed)

.PHONY: site running-costs
.PHONY: keys key-issue key-rotate key-disable key-enable key-delete key-check \
	audit audit-verify audit-exposure secrets-scan
.PHONY: baseline evaluate-detection plan-comment workflows-lint
.PHONY: gateway batch llm-usage
.PHONY: doctor e2e
.PHONY: budgets budget-raise budget-rebuild reconcile bench-cap
.PHONY: incident unblock
.PHONY: dashboard security-dashboard
.PHONY: help demo drill check-costs cost-report budget-gate scale-down-staging wake holds policy-check schema test lint types format \
	bench lock clean bootstrap plan apply validate terraform-test terraform-lint terraform-scan \
	docs lock-providers check-resources cost-optimize-dev env env-check rotate block-key rotations

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-20s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

# --- use it ----------------------------------------------------------------------------------

demo: $(VENV)/.cli ## Run the whole flow on this machine, no cloud account needed
	@$(CLI).demo

drill: $(VENV)/.cli ## Rehearse an environment's budget end to end: ENV=staging
	$(call needs,ENV,staging)
	@$(CLI).drill --env $(ENV)

doctor: $(VENV)/.cli ## Say of each control whether it works: here; ENV=staging where it is deployed, LIVE=1, JSON=1
	@$(CLI).doctor $(if $(ENV),--env $(ENV)) $(if $(EMBEDDED),--embedded) $(if $(LIVE),--live) \
		$(if $(JSON),--json) $(ARGS)

scale-down-staging: $(VENV)/.cli ## Put staging to sleep now: PROJECT=my-project, APPLY=1 to do it
	$(call needs,PROJECT,my-project)
	@$(CLI).scale down --env staging --project $(PROJECT) $(changes)

wake: $(VENV)/.cli ## End holds: ENV=staging, HOLD=night|manual|savings|budget|all, APPLY=1 to do it
	$(call needs,ENV,staging)
	@$(CLI).scale wake --env $(ENV) $(if $(HOLD),--hold $(HOLD)) $(changes)

holds: $(VENV)/.cli ## Show what is held and why: ENV=staging
	$(call needs,ENV,staging)
	@$(CLI).scale holds --env $(ENV)

check-resources: $(VENV)/.cli ## Compare a project with its policy: ENV=dev; PROJECT to be sure, JSON=1
	$(call needs,ENV,dev)
	@$(CLI).resources --env $(ENV) $(if $(PROJECT),--project $(PROJECT)) $(if $(JSON),--json) $(ARGS)

cost-optimize-dev: $(VENV)/.cli ## Let development scale to zero: PROJECT=my-project, APPLY=1 to do it
	$(call needs,PROJECT,my-project)
	@$(CLI).savings --project $(PROJECT) $(changes)

env: $(VENV)/.cli ## Write an environment file: ENV=staging; FROM=shell or template, not Secret Manager
	$(call needs,ENV,staging)
	@$(CLI).env --env $(ENV) $(if $(FROM),--from $(FROM))

env-check: $(VENV)/.cli ## Compare environment files with the policies: ENV=staging for one, JSON=1
	@$(CLI).env_check $(if $(ENV),--env $(ENV)) $(if $(FROM),--from $(FROM)) $(if $(JSON),--json)

rotate: $(VENV)/.cli ## Replace a key: KEY=openai-api-key ENV=staging; CONFIRM=1 renewed by hand, APPLY=1 to do it
	$(call needs,KEY,openai-api-key)$(call needs,ENV,staging)
	@$(CLI).keys rotate --env $(ENV) --key $(call quoted,$(KEY)) $(if $(CONFIRM),--confirm) $(changes) \
		$(if $(JSON),--json)

block-key: $(VENV)/.cli ## End a key at its provider, now: KEY=openai-api-key ENV=staging, APPLY=1 to do it
	$(call needs,KEY,openai-api-key)$(call needs,ENV,staging)
	@$(CLI).keys block --env $(ENV) --key $(call quoted,$(KEY)) $(changes) $(if $(JSON),--json)

rotations: $(VENV)/.cli ## Show how each key's rotation stands and when it is due: ENV=staging, JSON=1
	$(call needs,ENV,staging)
	@$(CLI).keys rotations --env $(ENV) $(if $(JSON),--json)

gateway: $(VENV)/.cli ## Serve models within budgets on this machine: ENV=dev, PORT=8790, DEMO=1 to try it
	$(call needs,ENV,dev)
	@$(CLI).gateway --env $(ENV) $(if $(PORT),--port $(PORT)) $(if $(DEMO),--demo)

batch: $(VENV)/.cli ## Send requests that can wait, at half price: FILE=a.jsonl ENV=staging TENANT=acme, APPLY=1
	$(call needs,FILE,requests.jsonl)$(call needs,ENV,staging)$(call needs,TENANT,acme)
	@$(CLI).batch --env $(ENV) --file $(FILE) --tenant $(TENANT) \
		$(if $(FEATURE),--feature $(FEATURE)) $(if $(TO),--output $(TO)) $(if $(WAIT),--wait) $(changes)

llm-usage: $(VENV)/.cli ## Tell how calls to models went: FILE=usage.jsonl, BY=tenant|feature|model|key, JSON=1
	$(call needs,FILE,usage.jsonl)
	@$(CLI).llm_usage --file $(FILE) $(if $(BY),--by $(BY)) $(if $(JSON),--json)

dashboard: $(VENV)/.cli ## Serve costs, operations and security on this machine: ENV=staging for one, PORT=8765
	@$(CLI).dashboard $(dashboard)

security-dashboard: $(VENV)/.cli ## Serve the same, beginning with security: FINDINGS=findings.jsonl ENV=staging
	@$(CLI).dashboard --page security $(dashboard)

policy-check: $(VENV)/.cli ## Check every environment's policy; JSON=1 for machines
	@$(CLI).policies $(if $(JSON),--json)

check-costs: $(VENV)/.cli ## Show what was spent and where the month ends: ENV=dev, SOURCE=export.parquet
	$(call needs,ENV,dev)
	@$(CLI).costs check --env $(ENV) $(costs) $(if $(TENANT),--tenant $(TENANT)) $(ARGS)

cost-report: $(VENV)/.cli ## Write a report: ENV=dev, KIND=monthly|statement|quarterly, TO=reports
	$(call needs,ENV,dev)
	@$(CLI).costs report --env $(ENV) $(costs) $(if $(KIND),--kind $(KIND)) \
		$(if $(TENANT),--tenant $(TENANT)) $(if $(TO),--to $(TO)) $(if $(MAIL),--mail) $(ARGS)

budget-gate: $(VENV)/.cli ## Say whether a deployment may go on: ENV=staging, COMMENT=file for Markdown
	$(call needs,ENV,staging)
	@$(CLI).costs gate --env $(ENV) $(if $(SOURCE),--source $(SOURCE)) \
		$(if $(COMMENT),--comment $(COMMENT)) $(ARGS)

running-costs: $(VENV)/.cli ## Say what Twinguard itself costs each month: ENV=staging; REQUESTS=1000000, JSON=1
	$(call needs,ENV,staging)
	@$(CLI).running_costs --env $(ENV) $(if $(REQUESTS),--requests $(REQUESTS)) $(if $(JSON),--json)

budgets: $(VENV)/.cli ## Show what may be spent on language models: ENV=staging; SCOPE=tenant:acme, JSON=1
	$(call needs,ENV,staging)
	@$(CLI).budgets show --env $(ENV) $(if $(SCOPE),--scope $(call quoted,$(SCOPE))) $(if $(JSON),--json) $(ARGS)

budget-raise: $(VENV)/.cli ## Set a limit for a while: ENV=staging SCOPE=tenant:acme AMOUNT=80 UNTIL=7d REASON='…', APPLY=1
	$(call needs,ENV,staging)$(call needs,SCOPE,tenant:acme)$(call needs,AMOUNT,80)$(call needs,REASON,'why')
	@$(CLI).budgets raise --env $(ENV) --scope $(call quoted,$(SCOPE)) --amount $(call quoted,$(AMOUNT)) \
		--reason $(call quoted,$(REASON)) $(if $(UNTIL),--until $(call quoted,$(UNTIL))) $(if $(JSON),--json) $(changes)

budget-rebuild: $(VENV)/.cli ## Bring back what a lost ledger had spent: ENV=staging EVENTS=usage.jsonl|usage://, APPLY=1
	$(call needs,ENV,staging)$(call needs,EVENTS,usage.jsonl)
	@$(CLI).budgets rebuild --env $(ENV) --events $(call quoted,$(EVENTS)) $(if $(MONTH),--month $(MONTH)) \
		$(if $(JSON),--json) $(changes)

reconcile: $(VENV)/.cli ## Compare the ledger with what is billed: ENV=staging; MONTH=2026-11, SOURCE=file, JSON=1
	$(call needs,ENV,staging)
	@$(CLI).reconcile --env $(ENV) $(if $(MONTH),--month $(MONTH)) \
		$(if $(SOURCE),--source $(call quoted,$(SOURCE))) $(if $(JSON),--json)

keys: $(VENV)/.cli ## List customers' keys: ENV=staging; TENANT, LABEL, KEY=id, STATE, JSON=1
	$(call needs,ENV,staging)
	@$(CLI).customer_keys list --env $(ENV) $(if $(TENANT),--tenant $(call quoted,$(TENANT))) \
		$(if $(LABEL),--label $(call quoted,$(LABEL))) $(if $(KEY),--key $(call quoted,$(KEY))) \
		$(if $(STATE),--state $(STATE)) $(if $(LIMIT),--limit $(LIMIT)) $(if $(JSON),--json)

key-issue: $(VENV)/.cli ## Make a customer's key: ENV=staging TENANT=acme REASON='…'; SCOPES, EXPIRES, APPLY=1
	$(call needs,ENV,staging)$(call needs,TENANT,acme)$(call needs,REASON,'why')
	@$(CLI).customer_keys issue --env $(ENV) --tenant $(call quoted,$(TENANT)) --reason $(call quoted,$(REASON)) \
		$(if $(LABEL),--label $(call quoted,$(LABEL))) $(if $(SCOPES),--scopes $(call quoted,$(SCOPES))) \
		$(if $(EXPIRES),--expires $(EXPIRES)) $(if $(OUTPUT),--output $(OUTPUT)) $(changes) $(ARGS)

key-rotate: $(VENV)/.cli ## Give a key a new secret: KEY=id ENV=staging REASON='…'; OVERLAP=24 hours, APPLY=1
	$(call needs,ENV,staging)$(call needs,KEY,id)$(call needs,REASON,'why')
	@$(CLI).customer_keys rotate --env $(ENV) --key $(call quoted,$(KEY)) --reason $(call quoted,$(REASON)) \
		$(if $(OVERLAP),--overlap $(OVERLAP)) $(if $(OUTPUT),--output $(OUTPUT)) $(changes)

key-disable key-enable key-delete: $(VENV)/.cli
	$(call needs,ENV,staging)$(call needs,KEY,id)$(call needs,REASON,'why')
	@$(CLI).customer_keys $(@:key-%=%) --env $(ENV) --key $(call quoted,$(KEY)) --reason $(call quoted,$(REASON)) $(changes)
key-disable: ## Switch a customer's key off: KEY=id ENV=staging REASON='…', APPLY=1
key-enable: ## Switch a customer's key on again: KEY=id ENV=staging REASON='…', APPLY=1
key-delete: ## Delete a customer's key for good: KEY=id ENV=staging REASON='…', APPLY=1

key-check: $(VENV)/.cli ## Say whether a key works, read from standard input: ENV=staging
	$(call needs,ENV,staging)
	@$(CLI).customer_keys check --env $(ENV) $(if $(JSON),--json) -

incident: $(VENV)/.cli ## Show an incident with a stolen key: ID=… ENV=staging; without ID the open ones, JSON=1
	$(call needs,ENV,staging)
	@$(CLI).thefts incident --env $(ENV) $(if $(ID),--id $(call quoted,$(ID))) $(if $(JSON),--json)

unblock: $(VENV)/.cli ## Lift a key's block: KEY=id ENV=staging REASON='…'; OWNER=1 it was its owner, APPLY=1
	$(call needs,KEY,id)$(call needs,ENV,staging)$(call needs,REASON,'why')
	@$(CLI).thefts unblock --env $(ENV) --key $(call quoted,$(KEY)) --reason $(call quoted,$(REASON)) \
		$(if $(OWNER),--owner) $(changes) $(if $(JSON),--json)

audit: $(VENV)/.cli ## Show who touched which secret: ENV=staging; SECRET, ACTOR, SINCE=30d, JSON=1, LOG=1
	$(call needs,ENV,staging)
	@$(CLI).audit show --env $(ENV) $(if $(SECRET),--secret $(SECRET)) \
		$(if $(ACTOR),--actor $(ACTOR)) $(if $(SINCE),--since $(SINCE)) \
		$(if $(LOG),--log) $(if $(FILE),--file $(FILE)) $(if $(JSON),--json) $(ARGS)

audit-verify: $(VENV)/.cli ## Check the security audit log, byte by byte: ENV=staging; FILE, JSON=1
	$(call needs,ENV,staging)
	@$(CLI).audit verify --env $(ENV) $(if $(FILE),--file $(FILE)) $(if $(JSON),--json)

audit-exposure: $(VENV)/.cli ## Find keys that anybody could use or nobody needs: ENV=staging, JSON=1
	$(call needs,ENV,staging)
	@$(CLI).audit exposure --env $(ENV) $(if $(JSON),--json)

# --- deploy it -------------------------------------------------------------------------------

bootstrap: $(VENV)/.cli ## Create the bucket of Terraform's state: PROJECT=my-seed-project, APPLY=1
	$(call needs,PROJECT,my-seed-project)
	@$(CLI).deploy bootstrap --project $(PROJECT) $(if $(REGION),--region $(REGION)) $(changes)

plan: $(VENV)/.cli ## Show what would be deployed: ENV=staging, at first STATE=my-state-bucket
	$(call needs,ENV,staging)
	@$(CLI).deploy plan --env $(ENV) $(if $(STATE),--state $(STATE)) $(if $(DRIFT),--drift)

plan-comment: $(VENV)/.cli ## Say the last plan and the budget as Markdown: ENV=staging, TO=file
	$(call needs,ENV,staging)
	@$(CLI).plan_comment --env $(ENV) $(if $(TO),--to $(TO))

apply: $(VENV)/.cli ## Show the plan, ask, and deploy: ENV=staging, APPLY=1 to do it unasked
	$(call needs,ENV,staging)
	@$(CLI).deploy apply --env $(ENV) $(if $(STATE),--state $(STATE)) $(changes)

lock-providers: $(VENV)/.cli ## Lock the providers' checksums for all platforms, from their registry
	@$(CLI).deploy lock

# --- change it -------------------------------------------------------------------------------

test: $(VENV)/.dev ## Run all tests; ARGS="-k budget" for some
	@$(RUN) -m pytest -n auto $(ARGS)

lint: $(VENV)/.dev terraform-lint ## Check style: Python, YAML, shell, Terraform
	@$(RUN) -m ruff check . && $(RUN) -m ruff format --check .
	@$(RUN) -m yamllint --strict . && $(VENV)/bin/shellcheck .ci/run .ci/terraform-mirror .github/gate

workflows-lint: $(VENV)/.dev ## Check GitHub's workflows with actionlint and zizmor
	@$(CLI).workflows_lint

secrets-scan: $(VENV)/.cli ## Look for keys in git's history and in the files that git would keep
	@$(CLI).secrets_scan $(if $(FILES),--files) $(if $(JSON),--json)

types: $(VENV)/.dev ## Check types, strictly
	@$(RUN) -m mypy functions

format: $(VENV)/.dev ## Rewrite Python and Terraform files in the common style
	@$(RUN) -m ruff check --fix --quiet . ; $(RUN) -m ruff format .
	@! command -v terraform >/dev/null || terraform fmt -recursive terraform environments

validate: $(VENV)/.cli ## Check Terraform's format and validity, every module and root; ENV=staging for one
	@$(CLI).terraform_checks validate $(if $(ENV),--env $(ENV))

terraform-test: $(VENV)/.cli ## Run the tests of the Terraform modules
	@$(CLI).terraform_checks test

terraform-lint: $(VENV)/.cli ## Check Terraform's style with tflint; ENV=staging for one root
	@$(CLI).terraform_checks lint $(if $(ENV),--env $(ENV))

terraform-scan: $(VENV)/.cli ## Check Terraform's security with checkov
	@$(CLI).terraform_checks scan

docs: $(VENV)/.cli ## Rewrite the tables of inputs and outputs in the modules' READMEs
	@$(CLI).terraform_docs --write

schema: $(VENV)/.cli ## Rewrite what is generated: policy.schema.json, README's table, the lists in docs
	@$(CLI).policies --write && $(CLI).reference --write

site: $(VENV)/.cli ## Build the documents as pages into .cache/site, and check every link
	@$(CLI).site

baseline: $(VENV)/.cli ## What is usual for keys: KEY=id shows, RESET=1 forgets, LOG="a.jsonl b.jsonl.gz" learns; FILE
	$(if $(KEY)$(LOG),,$(error KEY=id or LOG=events.jsonl missing))
	$(if $(and $(KEY),$(LOG)),$(error KEY shows or forgets, LOG learns: leave out one))
	@$(CLI).baselines $(if $(LOG),learn $(LOG) $(ARGS),$(if $(RESET),reset,show) --key $(call quoted,$(KEY))) \
		$(if $(FILE),--file $(FILE))

evaluate-detection: $(VENV)/.cli ## Measure theft detection on made-up traffic; JSON=1, ARGS="--misses"
	@$(CLI).evaluate_detection $(if $(JSON),--json) $(ARGS)

bench: $(VENV)/.dev ## Measure against the peers, paired and interleaved
	@for file in tests/bench/bench_*.py; do \
		PYTHONPATH="$(PYTHONPATH):$(CURDIR)/tests" $(RUN) "$$file" || exit 1; done

e2e: $(VENV)/.dev ## Try the whole system with faults, on emulators: TIMES=20, JSON=1
	@PYTHONPATH="$(PYTHONPATH):$(CURDIR)/tests" $(RUN) -m e2e.run $(if $(TIMES),--times $(TIMES)) $(if $(JSON),--json)

bench-cap: $(VENV)/.dev ## Is the cap kept? 1,000 callers, workers killed; PEER=python with litellm, ARGS="--kills 20"
	@$(RUN) tests/bench/bench_cap.py $(if $(PEER),--peer $(PEER)) $(ARGS)

lock: $(VENV)/.dev lock-providers ## Lock requirements and providers anew; UPGRADE=1 to take newer ones
	@$(LOCK) pyproject.toml --group dev -o requirements-dev.txt
	@$(LOCK) pyproject.toml --group cli -c requirements-dev.txt -o requirements-cli.txt
	@$(LOCK) pyproject.toml -c requirements-dev.txt -o functions/requirements.txt
	@$(LOCK) pyproject.toml --group gateway -c requirements-dev.txt -o requirements-gateway.txt
	@echo checkov==3.3.30 | $(LOCK) - -o .ci/requirements-checkov.txt

clean: ## Remove everything that make made
	@rm -rf $(VENV) .cache .hypothesis .mypy_cache .pytest_cache .ruff_cache
	@find functions tests -name __pycache__ -type d -prune -exec rm -rf {} +

# --- the Python environment, made once -------------------------------------------------------

$(RUN):
	@command -v $(PYTHON) >/dev/null || { \
		echo "$(PYTHON) is missing: install Python 3.11 or newer, or name it: make PYTHON=python3.12 …" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "$(PYTHON) is older than 3.11: name a newer one: make PYTHON=python3.12 …" >&2; exit 1; }
	@rm -rf $(VENV); $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "$(PYTHON) cannot make a virtual environment: apt-get install python3-venv" >&2; exit 1; }

$(VENV)/.cli: requirements-cli.txt | $(RUN)
	@echo "Installing $< into $(VENV), once"
	@$(RUN) -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

$(VENV)/.dev: requirements-dev.txt | $(RUN)
	@echo "Installing $< into $(VENV), once"
	@$(RUN) -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $(VENV)/.cli $@
