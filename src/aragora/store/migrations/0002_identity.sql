-- Who may do what: accounts, the tokens that speak for them, whose a debate is, and which requests were answered before.

ALTER TABLE users ADD COLUMN password TEXT NOT NULL DEFAULT '';     -- argon2id, with its salt and cost
ALTER TABLE users ADD COLUMN role TEXT NOT NULL DEFAULT 'member';   -- admin or member
ALTER TABLE users ADD COLUMN active BIGINT NOT NULL DEFAULT 1;
ALTER TABLE users ADD COLUMN avatar_url TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN preferences TEXT NOT NULL DEFAULT '{}';  -- JSON object, the user's own
ALTER TABLE users ADD COLUMN token_version BIGINT NOT NULL DEFAULT 1; -- raised with each change of the password
ALTER TABLE users ADD COLUMN updated_at TEXT;
ALTER TABLE users ADD COLUMN last_login_at TEXT;

CREATE TABLE sessions (
  id TEXT PRIMARY KEY,
  user_id TEXT NOT NULL REFERENCES users (id),
  access_hash TEXT NOT NULL UNIQUE,   -- SHA-256 of a token of 256 random bits; the token itself is nowhere
  refresh_hash TEXT NOT NULL UNIQUE,
  spent_hash TEXT UNIQUE,             -- the refresh token before this one: whoever shows it has stolen it, or lost an answer
  user_agent TEXT NOT NULL,
  address TEXT NOT NULL,
  created_at TEXT NOT NULL,
  renewed_at TEXT NOT NULL,
  used_at TEXT NOT NULL,
  access_expires_at TEXT NOT NULL,
  expires_at TEXT NOT NULL            -- of the refresh token, and with it of the session
);
CREATE INDEX idx_sessions_user_id ON sessions (user_id, used_at DESC);

CREATE TABLE api_keys (
  id TEXT PRIMARY KEY,
  user_id TEXT NOT NULL REFERENCES users (id),
  name TEXT NOT NULL,
  prefix TEXT NOT NULL,               -- the first characters, by which people tell their keys apart
  hash TEXT NOT NULL UNIQUE,
  scopes TEXT NOT NULL,               -- JSON list
  created_at TEXT NOT NULL,
  expires_at TEXT,
  used_at TEXT
);
CREATE INDEX idx_api_keys_user_id ON api_keys (user_id, created_at DESC);

CREATE TABLE tickets (
  hash TEXT PRIMARY KEY,
  credential_id TEXT NOT NULL,        -- the session or key that it was got with
  expires_at TEXT NOT NULL
);
CREATE INDEX idx_tickets_expires_at ON tickets (expires_at);

ALTER TABLE debates ADD COLUMN owner_id TEXT;                         -- none: nobody had logged in
ALTER TABLE debates ADD COLUMN visibility TEXT NOT NULL DEFAULT 'public';  -- private, shared or public
CREATE INDEX idx_debates_owner_id ON debates (owner_id, created_at DESC, id DESC) WHERE owner_id IS NOT NULL;
CREATE INDEX idx_debates_visibility ON debates (visibility, created_at DESC, id DESC);
INSERT INTO counters (name, n) SELECT 'debates/public', n FROM counters WHERE name = 'debates';

CREATE TABLE shares (
  id TEXT PRIMARY KEY,
  debate_id TEXT NOT NULL,
  hash TEXT NOT NULL UNIQUE,
  created_at TEXT NOT NULL,
  expires_at TEXT
);
CREATE INDEX idx_shares_debate_id ON shares (debate_id);

CREATE TABLE repeats (
  name TEXT PRIMARY KEY,              -- SHA-256 of the caller and the key, or of the caller and the body
  fingerprint TEXT NOT NULL,          -- SHA-256 of what was asked
  state TEXT NOT NULL,                -- reserved: nothing has happened yet; done: it has; answered: and this was the answer
  reference TEXT NOT NULL DEFAULT '', -- what was made
  status BIGINT NOT NULL DEFAULT 0,
  body TEXT NOT NULL DEFAULT '',
  location TEXT NOT NULL DEFAULT '',
  created_at TEXT NOT NULL
);
CREATE INDEX idx_repeats_created_at ON repeats (created_at);
