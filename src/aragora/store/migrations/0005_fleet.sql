-- Which process runs a debate, and which processes there are.

ALTER TABLE debates ADD COLUMN runner TEXT;  -- null: nobody, so anybody may take it

CREATE TABLE runners (
  id TEXT PRIMARY KEY,
  places BIGINT NOT NULL,  -- how many debates it runs at once
  beat BIGINT NOT NULL,    -- raised every second; when it stands still, the runner is dead or asleep
  seen_at TEXT NOT NULL    -- for people; nothing is decided by it
);

CREATE INDEX idx_debates_waiting ON debates (created_at, id)
  WHERE runner IS NULL AND status IN ('pending', 'active') AND last_seq > 0;
CREATE INDEX idx_debates_runner ON debates (runner) WHERE status IN ('pending', 'active');
