-- SPDX-License-Identifier: Apache-2.0
-- Costs of calls to language models by what tells them apart, from messages as they were published:
-- a JSON list of lines of the usage log in each row. A line that came twice counts once.
WITH lines AS (
  SELECT DISTINCT
    JSON_VALUE(line, '$.id') AS id,
    TIMESTAMP(JSON_VALUE(line, '$.at')) AS moment,
    JSON_VALUE(line, '$.period') AS period,
    JSON_VALUE(line, '$.environment') AS environment,
    JSON_VALUE(line, '$.tenant') AS tenant,
    JSON_VALUE(line, '$.feature') AS feature,
    JSON_VALUE(line, '$.key_id') AS key_id,
    JSON_VALUE(line, '$."gen_ai.provider.name"') AS provider,
    JSON_VALUE(line, '$."gen_ai.request.model"') AS model,
    JSON_VALUE(line, '$.kind') AS kind,
    CAST(JSON_VALUE(line, '$.cost_nanos') AS INT64) AS cost_nanos
  FROM `{table}`, UNNEST(JSON_QUERY_ARRAY(data)) AS line
  WHERE publish_time >= TIMESTAMP(@since)
)
SELECT
  DATE(moment) AS day,
  period, environment, tenant, feature, key_id, provider, model, kind,
  SUM(cost_nanos) AS nanos,
  UNIX_MICROS(MAX(moment)) AS newest
FROM lines
GROUP BY day, period, environment, tenant, feature, key_id, provider, model, kind
