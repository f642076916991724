-- The index of recipients in parts of some thousand tasks, by the order of tasks: a new task is entered into the newest part, which
-- is a few pages, instead of anywhere in an index of millions. Whoever asks looks into each part, newest first.
CREATE TABLE recipient_part (
  part INTEGER PRIMARY KEY,
  first INTEGER NOT NULL          -- seq: it holds tasks from here to the next part's; the oldest part, earlier ones too
) STRICT;

CREATE TABLE recipient_entry (
  part INTEGER NOT NULL,
  hash INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  PRIMARY KEY (part, hash, seq)
) STRICT, WITHOUT ROWID;

INSERT INTO recipient_part (part, first) VALUES (1, 0);
INSERT INTO recipient_entry (part, hash, seq) SELECT 1, hash, seq FROM recipient_task;
DROP TABLE recipient_task;
