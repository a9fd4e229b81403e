-- The log, and the tables that are written in its transactions. Read by SQLite and PostgreSQL alike.

CREATE TABLE debates (
  id TEXT PRIMARY KEY,
  topic TEXT NOT NULL,
  status TEXT NOT NULL,
  protocol TEXT NOT NULL,
  agents TEXT NOT NULL,             -- JSON list of seat names
  brief TEXT NOT NULL,              -- JSON, whole
  rounds BIGINT NOT NULL,           -- asked for
  round BIGINT NOT NULL DEFAULT 0,  -- completed
  outcome TEXT,                     -- JSON, once ended
  last_seq BIGINT NOT NULL DEFAULT 0,
  epoch BIGINT NOT NULL DEFAULT 0,  -- raised by each runner that takes the debate; fences the one before it
  created_at TEXT NOT NULL,
  started_at TEXT,
  ended_at TEXT
);

CREATE TABLE events (
  debate_id TEXT NOT NULL REFERENCES debates (id),
  seq BIGINT NOT NULL,
  key TEXT NOT NULL,
  type TEXT NOT NULL,
  data TEXT NOT NULL,               -- JSON, the very bytes that watchers get
  created_at TEXT NOT NULL,
  PRIMARY KEY (debate_id, seq),
  UNIQUE (debate_id, key)
);

CREATE TABLE messages (
  debate_id TEXT NOT NULL REFERENCES debates (id),
  seq BIGINT NOT NULL,
  round BIGINT NOT NULL,
  phase TEXT NOT NULL,
  seat TEXT NOT NULL,
  target TEXT NOT NULL,
  content TEXT NOT NULL,
  created_at TEXT NOT NULL,
  PRIMARY KEY (debate_id, seq)
);

CREATE TABLE votes (
  debate_id TEXT NOT NULL REFERENCES debates (id),
  kind TEXT NOT NULL,               -- seat or person
  voter TEXT NOT NULL,
  round BIGINT NOT NULL,            -- 0 for a person, who has one vote in a debate
  seq BIGINT NOT NULL,
  choice TEXT NOT NULL,
  confidence DOUBLE PRECISION,
  reason TEXT NOT NULL,
  created_at TEXT NOT NULL,
  PRIMARY KEY (debate_id, kind, voter, round)
);

CREATE TABLE users (
  id TEXT PRIMARY KEY,
  email TEXT NOT NULL,
  name TEXT NOT NULL,
  created_at TEXT NOT NULL
);

CREATE TABLE matches (
  debate_id TEXT NOT NULL REFERENCES debates (id),
  place BIGINT NOT NULL,
  a TEXT NOT NULL,
  b TEXT NOT NULL,
  score DOUBLE PRECISION NOT NULL,
  created_at TEXT NOT NULL,
  PRIMARY KEY (debate_id, place)
);

CREATE TABLE ratings (
  agent TEXT PRIMARY KEY,
  elo DOUBLE PRECISION NOT NULL,
  wins BIGINT NOT NULL,
  losses BIGINT NOT NULL,
  draws BIGINT NOT NULL,
  debates BIGINT NOT NULL,
  updated_at TEXT NOT NULL
);

-- How many rows a table has, kept with each insert: counting a million rows for the `total` of a list would not stay cheap.
CREATE TABLE counters (
  name TEXT PRIMARY KEY,
  n BIGINT NOT NULL
);
INSERT INTO counters (name, n) VALUES ('debates', 0);

CREATE INDEX idx_debates_created_at ON debates (created_at DESC, id DESC);
CREATE INDEX idx_debates_status ON debates (status, created_at DESC, id DESC);
CREATE INDEX idx_votes_debate_id ON votes (debate_id);
CREATE INDEX idx_messages_debate_round ON messages (debate_id, round);
CREATE UNIQUE INDEX idx_users_email ON users (email);
CREATE INDEX idx_ratings_elo ON ratings (elo DESC, agent);
