-- Whom a task is for, so that what was sent to somebody is found. Only tasks that say so have a row.
-- hash: 63 bits of the recipient's text (FNV-1a); the text itself is in task.ext.
CREATE TABLE recipient_task (
  hash INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  PRIMARY KEY (hash, seq)
) STRICT, WITHOUT ROWID;

-- until: ms, of a detached run alone: it goes on although the process that claimed it is gone.
ALTER TABLE run ADD COLUMN until INTEGER;
