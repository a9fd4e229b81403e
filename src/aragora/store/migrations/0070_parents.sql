-- The span that each running debate belongs under; empty where no traces are sent.

CREATE TABLE parents (
  debate_id TEXT PRIMARY KEY,
  traceparent TEXT NOT NULL
);
