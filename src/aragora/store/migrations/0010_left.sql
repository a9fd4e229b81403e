-- A runner that leaves a debate with no call in flight says so: whoever takes it over need not charge it for lost ones.

ALTER TABLE debates ADD COLUMN left_epoch BIGINT NOT NULL DEFAULT 0;
