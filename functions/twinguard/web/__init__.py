# SPDX-License-Identifier: Apache-2.0
"""What the application puts in front of its routes."""
