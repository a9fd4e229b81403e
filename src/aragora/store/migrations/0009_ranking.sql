-- What ended debates teach about agents, as sums, and the ranking that was fitted over them last.

ALTER TABLE debates ADD COLUMN lesson TEXT;  -- JSON of what was counted; null: not counted yet
CREATE INDEX idx_debates_uncounted ON debates (ended_at, id) WHERE lesson IS NULL AND ended_at IS NOT NULL;

CREATE TABLE pairs (
  judge TEXT NOT NULL,              -- who judged: panel or people
  a TEXT NOT NULL,                  -- the smaller name
  b TEXT NOT NULL,
  won BIGINT NOT NULL,              -- by a
  lost BIGINT NOT NULL,
  drawn BIGINT NOT NULL,
  PRIMARY KEY (judge, a, b)
);

CREATE TABLE forecasts (
  judge TEXT NOT NULL,
  agent TEXT NOT NULL,
  bin BIGINT NOT NULL,              -- tenth of confidence
  n BIGINT NOT NULL,
  sure DOUBLE PRECISION NOT NULL,   -- sum of stated confidence
  came BIGINT NOT NULL,             -- how many came true
  squares DOUBLE PRECISION NOT NULL,  -- sum of squared errors
  PRIMARY KEY (judge, agent, bin)
);

CREATE TABLE shared (
  one TEXT NOT NULL,
  other TEXT NOT NULL,
  votes BIGINT NOT NULL,
  agreed BIGINT NOT NULL,
  chance DOUBLE PRECISION NOT NULL,  -- how many agreements chance gives
  PRIMARY KEY (one, other)
);

CREATE TABLE strengths (
  judge TEXT NOT NULL,
  agent TEXT NOT NULL,
  place BIGINT NOT NULL,
  strength DOUBLE PRECISION NOT NULL,
  low DOUBLE PRECISION NOT NULL,
  high DOUBLE PRECISION NOT NULL,
  wins BIGINT NOT NULL,
  losses BIGINT NOT NULL,
  draws BIGINT NOT NULL,
  rank_low BIGINT NOT NULL,
  rank_high BIGINT NOT NULL,
  ranked BIGINT NOT NULL,           -- whether it has played enough for a rank
  brier DOUBLE PRECISION,           -- mean squared error of its stated confidence; null: it never said how sure it was
  forecasts BIGINT NOT NULL,
  PRIMARY KEY (judge, agent)
);

CREATE TABLE strength_history (
  judge TEXT NOT NULL,
  agent TEXT NOT NULL,
  hour TEXT NOT NULL,               -- the last fit of each hour in which the agent had played
  strength DOUBLE PRECISION NOT NULL,
  low DOUBLE PRECISION NOT NULL,
  high DOUBLE PRECISION NOT NULL,
  games BIGINT NOT NULL,
  PRIMARY KEY (judge, agent, hour)
);

-- One row for each judge: how often its sums changed, how many of the changes the last fit knew, and when one was last begun.
CREATE TABLE fits (
  judge TEXT PRIMARY KEY,
  changed BIGINT NOT NULL,
  fitted BIGINT NOT NULL,
  claimed_at TEXT NOT NULL
);
INSERT INTO fits (judge, changed, fitted, claimed_at) VALUES ('panel', 0, 0, '');
INSERT INTO fits (judge, changed, fitted, claimed_at) VALUES ('people', 0, 0, '');
