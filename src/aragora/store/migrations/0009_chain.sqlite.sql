-- The head of the hash chain with each event, computed in the transaction that writes it; none for events before this step.

ALTER TABLE events ADD COLUMN head TEXT;
