-- Whose the things beside debates are. None: made when nobody had to log in.

ALTER TABLE batches ADD COLUMN owner_id TEXT;
ALTER TABLE memories ADD COLUMN owner_id TEXT;
ALTER TABLE webhooks ADD COLUMN owner_id TEXT;
CREATE INDEX idx_batches_owner_id ON batches (owner_id, created_at DESC, id DESC) WHERE owner_id IS NOT NULL;
CREATE INDEX idx_memories_owner_id ON memories (owner_id, importance DESC, id) WHERE owner_id IS NOT NULL;
