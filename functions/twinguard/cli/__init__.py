# SPDX-License-Identifier: Apache-2.0
"""The command lines behind the Makefile: plan first, change only when told to."""
