# SPDX-License-Identifier: Apache-2.0
"""Twinguard: budget and usage events in, confirmed and reversible effects out."""
