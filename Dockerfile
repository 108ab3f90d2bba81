# SPDX-License-Identifier: Apache-2.0
# The gateway's image; docs/gateway.md says how it is built. BASE may name the base by its digest.
ARG BASE=python:3.11-slim
FROM ${BASE}

ENV PYTHONUNBUFFERED=1
WORKDIR /srv

COPY requirements-gateway.txt .
RUN pip install --no-cache-dir --no-deps --require-hashes -r requirements-gateway.txt

COPY functions/twinguard twinguard
RUN python -m compileall -q twinguard && useradd --system gateway
USER gateway

# Cloud Run ends an instance ten seconds after it said so.
CMD ["python", "-m", "uvicorn", "--factory", "twinguard.gateway_wiring:application", \
  "--host", "0.0.0.0", "--port", "8080", "--timeout-graceful-shutdown", "8", \
  "--log-level", "warning", "--no-access-log", "--no-server-header", "--no-proxy-headers"]
