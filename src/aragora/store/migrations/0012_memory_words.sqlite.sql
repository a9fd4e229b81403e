-- The words of memories have an index of their own: else each debate that asks what is remembered would look through every debate
-- whose topic has the same words.

CREATE VIRTUAL TABLE memories_fts USING fts5 (body, content = 'texts', content_rowid = 'n', tokenize = 'unicode61 remove_diacritics 2');
INSERT INTO memories_fts (rowid, body) SELECT n, body FROM texts WHERE kind = 'memory';
INSERT INTO texts_fts (texts_fts, rowid, body) SELECT 'delete', n, body FROM texts WHERE kind = 'memory';
DROP TRIGGER texts_added;
DROP TRIGGER texts_deleted;
DROP TRIGGER texts_changed;
CREATE TRIGGER texts_added AFTER INSERT ON texts WHEN new.kind <> 'memory' BEGIN
  INSERT INTO texts_fts (rowid, body) VALUES (new.n, new.body);
END;
CREATE TRIGGER texts_deleted AFTER DELETE ON texts WHEN old.kind <> 'memory' BEGIN
  INSERT INTO texts_fts (texts_fts, rowid, body) VALUES ('delete', old.n, old.body);
END;
CREATE TRIGGER texts_changed AFTER UPDATE OF body ON texts WHEN old.kind <> 'memory' BEGIN
  INSERT INTO texts_fts (texts_fts, rowid, body) VALUES ('delete', old.n, old.body);
  INSERT INTO texts_fts (rowid, body) VALUES (new.n, new.body);
END;
CREATE TRIGGER memories_added AFTER INSERT ON texts WHEN new.kind = 'memory' BEGIN
  INSERT INTO memories_fts (rowid, body) VALUES (new.n, new.body);
END;
CREATE TRIGGER memories_deleted AFTER DELETE ON texts WHEN old.kind = 'memory' BEGIN
  INSERT INTO memories_fts (memories_fts, rowid, body) VALUES ('delete', old.n, old.body);
END;
CREATE TRIGGER memories_changed AFTER UPDATE OF body ON texts WHEN old.kind = 'memory' BEGIN
  INSERT INTO memories_fts (memories_fts, rowid, body) VALUES ('delete', old.n, old.body);
  INSERT INTO memories_fts (rowid, body) VALUES (new.n, new.body);
END;
