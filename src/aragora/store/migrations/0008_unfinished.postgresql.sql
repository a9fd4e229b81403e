-- What is to be resumed is found however many debates have ended. Built while others write.

CREATE INDEX CONCURRENTLY idx_debates_unfinished ON debates (id) WHERE status IN ('pending', 'active') AND last_seq > 0;
