-- SPDX-License-Identifier: Apache-2.0
-- One row for each row of Cloud Billing's export, under names that stay when Google's change.
-- Written for BigQuery. The placeholder after FROM becomes the export's table: Terraform puts it in
-- for the views, the cost monitor for DuckDB, where NUMERIC must be read as DECIMAL(38, 9).
-- Nothing is filtered and nothing is joined: the sums of all rows are those of the invoices.
WITH lines AS (
  SELECT
    line.billing_account_id AS billing_account_id,
    line.invoice.month AS invoice_month,
    -- The invoice's calendar is Pacific time.
    DATE(line.usage_start_time, 'America/Los_Angeles') AS usage_date,
    line.usage_start_time AS usage_start,
    line.usage_end_time AS usage_end,
    line.export_time AS export_time,
    line.cost_type AS cost_type,
    line.service.id AS service_id,
    line.service.description AS service,
    line.sku.id AS sku_id,
    line.sku.description AS sku,
    line.project.id AS project_id,
    line.project.name AS project_name,
    IFNULL(line.location.region, line.location.location) AS location,
    line.currency AS currency,
    -- Exported as floats: made exact before anything is added up.
    IFNULL(CAST(line.cost AS NUMERIC), 0) AS cost,
    -- A subquery: a join would repeat the cost for each credit.
    IFNULL(
      (SELECT SUM(CAST(credit.amount AS NUMERIC)) FROM UNNEST(line.credits) AS credit), 0
    ) AS credits,
    -- Before negotiated prices; what has no list price, as tax, costs what it costs.
    IFNULL(CAST(line.cost_at_list AS NUMERIC), IFNULL(CAST(line.cost AS NUMERIC), 0)) AS list_cost,
    line.usage.amount AS usage_amount,
    line.usage.unit AS usage_unit,
    -- MAX: a key that is there twice neither fails nor repeats the row.
    COALESCE(
      (SELECT MAX(tag.value) FROM UNNEST(line.labels) AS tag WHERE tag.key = 'environment'),
      (SELECT MAX(tag.value) FROM UNNEST(line.project.labels) AS tag WHERE tag.key = 'environment')
    ) AS environment,
    (SELECT MAX(tag.value) FROM UNNEST(line.labels) AS tag WHERE tag.key = 'tenant') AS tenant,
    (SELECT MAX(tag.value) FROM UNNEST(line.labels) AS tag WHERE tag.key = 'feature') AS feature,
    (SELECT MAX(tag.value) FROM UNNEST(line.labels) AS tag WHERE tag.key = 'model') AS model,
    (SELECT MAX(tag.value) FROM UNNEST(line.labels) AS tag WHERE tag.key = 'key') AS api_key,
    IFNULL(line.adjustment_info.mode, '') != ''
    OR IFNULL(line.adjustment_info.type, '') != ''
    OR IFNULL(line.cost_type, '') = 'adjustment' AS is_adjustment
  FROM `{table}` AS line
),

dated AS (
  SELECT
    *,
    cost + credits AS net,
    -- Used in one month, on the invoice of a later one.
    IFNULL(
      EXTRACT(YEAR FROM usage_date) * 100 + EXTRACT(MONTH FROM usage_date)
      < SAFE_CAST(invoice_month AS INT64), FALSE
    ) AS is_late
  FROM lines
)

SELECT
  billing_account_id,
  invoice_month,
  usage_date,
  usage_start,
  usage_end,
  export_time,
  cost_type,
  service_id,
  service,
  sku_id,
  sku,
  project_id,
  project_name,
  location,
  currency,
  cost,
  credits,
  net,
  list_cost,
  usage_amount,
  usage_unit,
  environment,
  tenant,
  feature,
  model,
  api_key,
  is_late,
  is_adjustment,
  is_late OR is_adjustment AS is_correction
FROM dated
