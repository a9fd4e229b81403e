-- The texts that can be searched, and PostgreSQL's index of their words.

CREATE TABLE texts (
  n BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  kind TEXT NOT NULL,               -- debate or memory
  id TEXT NOT NULL,
  body TEXT NOT NULL,
  UNIQUE (kind, id)
);
CREATE INDEX idx_texts_words ON texts USING gin (to_tsvector('simple', body));
