-- The texts that can be searched, and SQLite's index of their words.

CREATE TABLE texts (
  n INTEGER PRIMARY KEY,
  kind TEXT NOT NULL,               -- debate or memory
  id TEXT NOT NULL,
  body TEXT NOT NULL,
  UNIQUE (kind, id)
);
CREATE VIRTUAL TABLE texts_fts USING fts5 (body, content = 'texts', content_rowid = 'n', tokenize = 'unicode61 remove_diacritics 2');
CREATE TRIGGER texts_added AFTER INSERT ON texts BEGIN
  INSERT INTO texts_fts (rowid, body) VALUES (new.n, new.body);
END;
CREATE TRIGGER texts_deleted AFTER DELETE ON texts BEGIN
  INSERT INTO texts_fts (texts_fts, rowid, body) VALUES ('delete', old.n, old.body);
END;
CREATE TRIGGER texts_changed AFTER UPDATE OF body ON texts BEGIN
  INSERT INTO texts_fts (texts_fts, rowid, body) VALUES ('delete', old.n, old.body);
  INSERT INTO texts_fts (rowid, body) VALUES (new.n, new.body);
END;
