-- Lists of what is public, by status. Built while others write.

CREATE INDEX CONCURRENTLY idx_debates_public_status ON debates (status, created_at DESC, id DESC) WHERE visibility = 'public';
