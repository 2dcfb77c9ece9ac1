-- Connections of pages that HTTP Archive visited, a row each, for `faltcon traffic repeats`.
--
-- Run it in BigQuery (the table: https://har.fyi/reference/tables/requests/) and save the result
-- as CSV or as JSON lines. `date`, `client` and `is_root_page` choose what is read. The sample
-- keeps the cost down; it takes blocks of rows, so requests of a connection may be left out of it.
WITH requests AS (
  SELECT
    page,
    index,
    JSON_VALUE(payload, '$._socket') AS socket,
    JSON_VALUE(payload, '$._ip_addr') AS address,
    NET.HOST(url) AS host,
    IFNULL(REGEXP_EXTRACT(url, r'^\w+://[^/]*:(\d+)'), IF(STARTS_WITH(url, 'https'), '443', '80'))
      AS port,
    LOWER(JSON_VALUE(payload, '$._protocol')) AS protocol,
    JSON_VALUE(payload, '$.startedDateTime') AS started
  FROM `httparchive.crawl.requests` TABLESAMPLE SYSTEM (0.01 PERCENT)
  WHERE date = '2025-07-01' AND client = 'desktop' AND is_root_page
)
SELECT
  page,
  socket,
  -- One connection may carry requests to several hosts; the first one opened it.
  ARRAY_AGG(address IGNORE NULLS ORDER BY index LIMIT 1)[SAFE_OFFSET(0)] AS server_ip,
  ARRAY_AGG(host ORDER BY index LIMIT 1)[OFFSET(0)] AS host,
  ARRAY_AGG(port ORDER BY index LIMIT 1)[OFFSET(0)] AS server_port,
  ARRAY_AGG(protocol IGNORE NULLS ORDER BY index LIMIT 1)[SAFE_OFFSET(0)] AS protocol,
  MIN(started) AS started,
  COUNT(0) AS requests
FROM requests
WHERE socket IS NOT NULL
GROUP BY page, socket
