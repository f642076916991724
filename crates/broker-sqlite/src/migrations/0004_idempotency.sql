-- Idempotency keys as a log, in the order they came, with an index by hash that is written some thousand keys at a time: a key comes
-- from anywhere, and in an index that is written with each request every one of them writes a page of its own. What the log holds
-- beyond `idem_indexed` (in meta) the writer has in memory, and reads again when it opens the store.
CREATE TABLE idem_entry (
  n INTEGER PRIMARY KEY,
  key TEXT NOT NULL,
  fingerprint BLOB NOT NULL,
  at INTEGER NOT NULL,            -- ms
  ids BLOB NOT NULL               -- 17 bytes a task: its id, and 1 for a duplicate
) STRICT;

-- hash: 63 bits of the key (SHA-256); the key itself tells apart those that share one.
CREATE TABLE idem_index (
  hash INTEGER NOT NULL,
  n INTEGER NOT NULL,
  PRIMARY KEY (hash, n)
) STRICT, WITHOUT ROWID;

INSERT INTO idem_entry (key, fingerprint, at, ids) SELECT key, fingerprint, at, ids FROM idem ORDER BY at;
DROP TABLE idem;
