-- The head of the hash chain with each event, computed in the transaction that writes it; none for events before this step.

ALTER TABLE events ADD COLUMN head TEXT;
-- The same as `chained` in debate/receipt.py, which SQLite calls; none after none.
CREATE FUNCTION chained(head TEXT, seq BIGINT, digest TEXT) RETURNS TEXT LANGUAGE sql IMMUTABLE STRICT AS $body$
  SELECT encode(
    sha256(decode(head, 'hex') || sha256('\x00'::bytea || convert_to('[' || seq || ',"' || digest || '"]', 'UTF8'))), 'hex')
$body$;
