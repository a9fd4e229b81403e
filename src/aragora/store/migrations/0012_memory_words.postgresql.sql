-- The words of memories have an index of their own: else each debate that asks what is remembered would look through every debate
-- whose topic has the same words. Built while others write.

CREATE INDEX CONCURRENTLY idx_texts_memory_words ON texts USING gin (to_tsvector('simple', body)) WHERE kind = 'memory';
