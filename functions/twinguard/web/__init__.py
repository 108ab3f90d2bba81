# SPDX-License-Identifier: Apache-2.0
"""What answers people's and applications' requests over HTTP; never part of the functions' zip."""
