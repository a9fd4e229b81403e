-- Who is told when a batch is over: a webhook that belongs to it and is told that once.

ALTER TABLE webhooks ADD COLUMN batch_id TEXT;
ALTER TABLE webhooks ADD COLUMN told BIGINT NOT NULL DEFAULT 0;
CREATE INDEX idx_webhooks_batch ON webhooks (batch_id) WHERE batch_id IS NOT NULL AND told = 0;
