# SPDX-License-Identifier: Apache-2.0

variable "billing_account" {
  description = "Billing account of the budget, as 012345-6789AB-CDEF01: plan reads its budgets, apply changes them; without it budgets are a person's."
  type        = string
  default     = null

  validation {
    condition = var.billing_account == null || (
      can(regex("^[0-9A-F]{6}(-[0-9A-F]{6}){2}$", var.billing_account))
    )
    error_message = "billing_account must look like 012345-6789AB-CDEF01; list yours with 'gcloud billing accounts list'."
  }
}

variable "environment" {
  description = "Name of the environment; its state lies under this prefix."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["production", "staging", "development", "ci"], var.environment)
    error_message = "environment must be production, staging, development or ci; got ${var.environment}."
  }
}

variable "name" {
  description = "What every name begins with, as twinguard-staging; account ids leave it 24 characters."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,22}[a-z0-9]$", var.name))
    error_message = "name must have 4 to 24 lower case letters, digits and hyphens, and begin with a letter: account ids have 30 characters, and -apply takes six."
  }
  validation {
    condition     = !startswith(var.name, "gcp-")
    error_message = "name cannot begin with gcp-: Google keeps that beginning of an identity pool's id for itself."
  }
}

variable "project_id" {
  description = "Id of the project."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "project_id must have 6 to 30 lower case letters, digits and hyphens, and begin with a letter."
  }
}

variable "project_number" {
  description = "Number of the project; an identity pool's members are named by it."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]+$", var.project_number))
    error_message = "project_number must be digits only; 'gcloud projects describe' prints it."
  }
}

variable "repository" {
  description = "The repository that delivers: its number, its owner's number, the branch that is applied. The number 0 is nobody's: then everything is made, and no job gets in."
  type = object({
    id       = string
    owner_id = string
    branch   = optional(string, "main")
  })
  nullable = false

  validation {
    condition = alltrue([
      for id in [var.repository.id, var.repository.owner_id] : can(regex("^(0|[1-9][0-9]*)$", id))
    ])
    error_message = "repository.id and repository.owner_id must be numbers, not names; print them with: gh api repos/OWNER/NAME --jq '.id, .owner.id'."
  }
  validation {
    condition = can(regex("^[A-Za-z0-9][A-Za-z0-9._/-]*$", var.repository.branch)) && (
      !startswith(var.repository.branch, "refs/")
    )
    error_message = "repository.branch must be a branch's short name, like main; got ${var.repository.branch}."
  }
}

variable "state_bucket" {
  description = "Name of the bucket of Terraform's state: plan reads this environment's, apply writes it; without it a person grants that."
  type        = string
  default     = null

  validation {
    condition = var.state_bucket == null || (
      can(regex("^[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]$", var.state_bucket))
    )
    error_message = "state_bucket must be a name without gs://, like my-seed-project-terraform-state."
  }
}

variable "state_project" {
  description = "Id of the project of the state's bucket, where it is another one: plan and apply may read who is granted what there, as they must to plan the bucket's grants."
  type        = string
  default     = null

  validation {
    condition = var.state_project == null || (
      can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.state_project))
    )
    error_message = "state_project must have 6 to 30 lower case letters, digits and hyphens, and begin with a letter."
  }
  validation {
    condition = var.state_project == null || (
      var.state_bucket != null && var.state_project != var.project_id
    )
    error_message = "state_project is for a state_bucket that lies in another project; remove it."
  }
}

variable "tests" {
  description = "Short id of the account that tests run as, like github-actions; an existing one is adopted. It is granted nothing here: what it may read, the secrets say."
  type        = string
  default     = null

  validation {
    condition     = var.tests == null || can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.tests))
    error_message = "tests must have 6 to 30 lower case letters, digits and hyphens, without the part from @ on."
  }
  validation {
    condition = alltrue([
      for account in ["apply", "plan"] : coalesce(var.tests, "none") != "${var.name}-${account}"
    ])
    error_message = "tests cannot be the account that plans or applies; give it a name of its own."
  }
}
