-- SPDX-License-Identifier: Apache-2.0
-- One row for each row of a FOCUS file (1.0 to 1.2, of any provider), under the names of costs.sql.
-- Written for BigQuery over the columns that focus.py has typed; DuckDB runs it.
-- BilledCost is what is paid: net is BilledCost whatever else a row says, so that sums are those of
-- the file. Credits are rows of their own, or, in Google's files, a list within the row.
WITH lines AS (
  SELECT
    line.BillingAccountId AS billing_account_id,
    -- The month in which the period begins. Its end is the last day with some and the day after
    -- with others, so it is not looked at.
    FORMAT_TIMESTAMP('%Y%m', line.BillingPeriodStart) AS invoice_month,
    -- Google's days are Pacific, as on its invoices; the specification says UTC.
    IF(
      line.is_google,
      DATE(line.ChargePeriodStart, 'America/Los_Angeles'),
      DATE(line.ChargePeriodStart)
    ) AS usage_date,
    line.ChargePeriodStart AS usage_start,
    line.ChargePeriodEnd AS usage_end,
    line.x_ExportTime AS export_time,
    COALESCE(
      line.x_CostType,
      CASE LOWER(line.ChargeCategory)
        WHEN 'tax' THEN 'tax'
        WHEN 'adjustment' THEN 'adjustment'
        WHEN 'credit' THEN 'credit'
        ELSE 'regular'
      END
    ) AS cost_type,
    line.x_ServiceId AS service_id,
    line.ServiceName AS service,
    line.SkuId AS sku_id,
    COALESCE(line.ChargeDescription, line.SkuId) AS sku,
    -- Google's first files name the billing account as the sub-account.
    COALESCE(line.project_id, NULLIF(line.SubAccountId, line.BillingAccountId)) AS project_id,
    COALESCE(line.project_name, line.SubAccountName) AS project_name,
    line.RegionId AS location,
    UPPER(line.BillingCurrency) AS currency,
    line.BilledCost AS net,
    CASE
      WHEN LOWER(line.ChargeCategory) = 'credit' THEN line.BilledCost
      -- The credits of the row are in BilledCost, unless it is the price before them.
      WHEN line.BilledCost = line.ContractedCost THEN 0
      ELSE line.credits
    END AS credits,
    COALESCE(line.ListCost, line.BilledCost) AS list_cost,
    line.ConsumedQuantity AS usage_amount,
    line.ConsumedUnit AS usage_unit,
    -- AWS writes user: before a key.
    (SELECT MAX(tag.value) FROM UNNEST(line.tags) AS tag
      WHERE REGEXP_REPLACE(LOWER(tag.key), '^user[:_]', '') = 'environment') AS environment,
    (SELECT MAX(tag.value) FROM UNNEST(line.tags) AS tag
      WHERE REGEXP_REPLACE(LOWER(tag.key), '^user[:_]', '') = 'tenant') AS tenant,
    (SELECT MAX(tag.value) FROM UNNEST(line.tags) AS tag
      WHERE REGEXP_REPLACE(LOWER(tag.key), '^user[:_]', '') = 'feature') AS feature,
    (SELECT MAX(tag.value) FROM UNNEST(line.tags) AS tag
      WHERE REGEXP_REPLACE(LOWER(tag.key), '^user[:_]', '') = 'model') AS model,
    (SELECT MAX(tag.value) FROM UNNEST(line.tags) AS tag
      WHERE REGEXP_REPLACE(LOWER(tag.key), '^user[:_]', '') = 'key') AS api_key,
    IFNULL(LOWER(line.ChargeClass), '') = 'correction' AS is_corrected
  FROM `{table}` AS line
),

dated AS (
  SELECT
    *,
    net - credits AS cost,
    IFNULL(
      EXTRACT(YEAR FROM usage_date) * 100 + EXTRACT(MONTH FROM usage_date)
      < SAFE_CAST(invoice_month AS INT64), FALSE
    ) AS is_late,
    is_corrected OR cost_type = 'adjustment' AS is_adjustment
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
