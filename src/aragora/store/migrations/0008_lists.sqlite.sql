-- Lists of what is public, by status.

CREATE INDEX idx_debates_public_status ON debates (status, created_at DESC, id DESC) WHERE visibility = 'public';
