-- What people write on a debate beside its log, where it came from, batches, memory, and who is told of events elsewhere.

ALTER TABLE debates ADD COLUMN slug TEXT;
ALTER TABLE debates ADD COLUMN title TEXT NOT NULL DEFAULT '';
ALTER TABLE debates ADD COLUMN tags TEXT NOT NULL DEFAULT '[]';      -- JSON list of texts
ALTER TABLE debates ADD COLUMN metadata TEXT NOT NULL DEFAULT '{}';  -- JSON object, the owner's own
ALTER TABLE debates ADD COLUMN archived_at TEXT;
ALTER TABLE debates ADD COLUMN origin TEXT;                          -- clone, fork or followup
ALTER TABLE debates ADD COLUMN origin_id TEXT;
ALTER TABLE debates ADD COLUMN batch_id TEXT;
CREATE UNIQUE INDEX idx_debates_slug ON debates (slug);
CREATE INDEX idx_debates_origin ON debates (origin_id, created_at) WHERE origin_id IS NOT NULL;
CREATE INDEX idx_debates_batch ON debates (batch_id, created_at) WHERE batch_id IS NOT NULL;
CREATE INDEX idx_debates_archived ON debates (archived_at) WHERE archived_at IS NOT NULL;

CREATE TABLE batches (
  id TEXT PRIMARY KEY,
  n BIGINT NOT NULL,
  metadata TEXT NOT NULL,           -- JSON object
  created_at TEXT NOT NULL
);
CREATE INDEX idx_batches_created_at ON batches (created_at DESC, id DESC);

CREATE TABLE memories (
  id TEXT PRIMARY KEY,
  tier TEXT NOT NULL,               -- fast, medium or slow
  content TEXT NOT NULL,
  importance DOUBLE PRECISION NOT NULL,
  uses BIGINT NOT NULL DEFAULT 0,
  debate_id TEXT,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  expires_at TEXT                   -- none in the slow tier
);
CREATE INDEX idx_memories_tier ON memories (tier, importance DESC, id);
CREATE INDEX idx_memories_expires_at ON memories (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE webhooks (
  id TEXT PRIMARY KEY,
  url TEXT NOT NULL,
  secret TEXT NOT NULL,
  events TEXT NOT NULL,             -- JSON list of event types
  created_at TEXT NOT NULL
);

CREATE TABLE deliveries (
  id TEXT PRIMARY KEY,
  webhook_id TEXT NOT NULL REFERENCES webhooks (id),
  debate_id TEXT NOT NULL,
  seq BIGINT NOT NULL,
  type TEXT NOT NULL,
  state TEXT NOT NULL,              -- waiting, delivered or failed
  attempts BIGINT NOT NULL,
  next_at TEXT NOT NULL,
  answer TEXT NOT NULL,             -- what came of the last attempt
  created_at TEXT NOT NULL,
  UNIQUE (webhook_id, debate_id, seq)
);
CREATE INDEX idx_deliveries_next_at ON deliveries (state, next_at);

CREATE INDEX idx_messages_phase ON messages (phase, created_at DESC, debate_id, seq DESC);
CREATE INDEX idx_matches_a ON matches (a, created_at DESC);
CREATE INDEX idx_matches_b ON matches (b, created_at DESC);
CREATE INDEX idx_matches_created_at ON matches (created_at DESC);
