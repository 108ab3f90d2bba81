# SPDX-License-Identifier: Apache-2.0
"""What calls of language models cost, and what may still be spent."""
