-- How many people chose each seat, kept with each vote: counting all votes of a debate at each one would not stay cheap.

CREATE TABLE choices (
  debate_id TEXT NOT NULL REFERENCES debates (id),
  choice TEXT NOT NULL,
  n BIGINT NOT NULL,
  PRIMARY KEY (debate_id, choice)
);
INSERT INTO choices (debate_id, choice, n)
SELECT debate_id, choice, COUNT(*) FROM votes WHERE kind = 'person' GROUP BY debate_id, choice;
