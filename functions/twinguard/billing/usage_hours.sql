-- SPDX-License-Identifier: Apache-2.0
-- One row for each key, hour, address, agent and path: requests, those that succeeded, in which
-- quarters of the hour, and the key's most in a minute and in ten seconds of that hour.
WITH uses AS (
  SELECT
    key_id,
    COALESCE(ip, '') AS ip,
    COALESCE(user_agent, '') AS user_agent,
    COALESCE(path, '') AS path,
    COALESCE(status, 200) < 400 AS is_fine,
    DIV(UNIX_MICROS(timestamp), 3600000000) AS hour,
    MOD(DIV(UNIX_MICROS(timestamp), 900000000), 4) AS quarter,
    DIV(UNIX_MICROS(timestamp), 60000000) AS minute,
    DIV(UNIX_MICROS(timestamp), 10000000) AS ten
  FROM `{table}`
  WHERE key_id IS NOT NULL AND timestamp IS NOT NULL
),
grouped AS (
  SELECT
    key_id, hour, ip, user_agent, path,
    COUNT(*) AS requests,
    COUNTIF(is_fine) AS fine,
    COUNTIF(quarter = 0) AS first,
    COUNTIF(quarter = 1) AS second,
    COUNTIF(quarter = 2) AS third,
    COUNTIF(quarter = 3) AS fourth
  FROM uses
  GROUP BY key_id, hour, ip, user_agent, path
),
minutes AS (
  SELECT key_id, hour, MAX(requests) AS peak_60
  FROM (SELECT key_id, hour, minute, COUNT(*) AS requests FROM uses GROUP BY key_id, hour, minute)
  GROUP BY key_id, hour
),
tens AS (
  SELECT key_id, hour, MAX(requests) AS peak_10
  FROM (SELECT key_id, hour, ten, COUNT(*) AS requests FROM uses GROUP BY key_id, hour, ten)
  GROUP BY key_id, hour
)
SELECT
  grouped.key_id, grouped.hour, grouped.ip, grouped.user_agent, grouped.path, grouped.requests,
  grouped.fine, grouped.first, grouped.second, grouped.third, grouped.fourth,
  minutes.peak_60, tens.peak_10
FROM grouped
JOIN minutes ON minutes.key_id = grouped.key_id AND minutes.hour = grouped.hour
JOIN tens ON tens.key_id = grouped.key_id AND tens.hour = grouped.hour
ORDER BY grouped.key_id, grouped.hour, grouped.ip, grouped.user_agent, grouped.path
