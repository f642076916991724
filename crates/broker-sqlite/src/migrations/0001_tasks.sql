-- Where a task is, is told by presence: a row in `run` is running, in `due` is scheduled or
-- retrying, in `ready` is queued; `task.state` is written when it ends. So the row with the payload
-- is written at enqueue and at the end of a try only.

-- Kinds and queues, interned.
CREATE TABLE name (
  id INTEGER PRIMARY KEY,
  text TEXT NOT NULL UNIQUE
) STRICT;

-- counts: JSON array, tasks by state code, then messages held by the sandbox.
-- settings: JSON, a pause by a person.
CREATE TABLE queue (
  id INTEGER PRIMARY KEY REFERENCES name (id),
  counts TEXT NOT NULL,
  settings TEXT
) STRICT;

-- Lanes and, with tenant '', their targets; target '' is the queue's default lane.
-- settings: JSON, limits, pauses, breaker.
CREATE TABLE lane (
  id INTEGER PRIMARY KEY,
  queue INTEGER NOT NULL REFERENCES name (id),
  target TEXT NOT NULL,
  tenant TEXT NOT NULL,
  settings TEXT,
  UNIQUE (queue, target, tenant)
) STRICT;

CREATE TABLE task (
  seq INTEGER PRIMARY KEY,        -- 60 bits of the id, see ids.rs
  rand INTEGER NOT NULL,          -- 62 more bits of the id; -1: the caller's own id, in ext
  kind INTEGER NOT NULL,
  lane INTEGER NOT NULL,
  prio INTEGER NOT NULL,
  state INTEGER NOT NULL,         -- state code when final, else 0
  gen INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  failures INTEGER NOT NULL,
  ended INTEGER NOT NULL,         -- tries of this generation that ended in a class
  rescues INTEGER NOT NULL,
  flags INTEGER NOT NULL,         -- see row.rs
  policy INTEGER NOT NULL,        -- 0 default, 1 e-mail, 2 in ext
  created INTEGER NOT NULL,       -- ms
  due INTEGER NOT NULL,           -- ms
  first_due INTEGER NOT NULL,     -- ms, of this generation
  ord INTEGER NOT NULL,           -- place in its lane: ms when it became ready; negative: put to the front
  expires INTEGER,                -- ms
  parked INTEGER,                 -- ms: when parking has lasted too long
  finished INTEGER,               -- ms
  keep INTEGER,                   -- retention class once final: 0 succeeded, cancelled, expired; 1 failed
  token BLOB,                     -- the last token that settled it
  error TEXT,                     -- JSON
  log TEXT,                       -- JSON, the attempts
  ext TEXT,                       -- JSON, what few tasks have
  payload TEXT NOT NULL,
  result TEXT
) STRICT;
CREATE INDEX task_keep ON task (keep, finished) WHERE keep IS NOT NULL;
CREATE INDEX task_ended ON task (state) WHERE state > 4;

CREATE TABLE foreign_id (
  id BLOB PRIMARY KEY,
  seq INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE ready (
  lane INTEGER NOT NULL,
  prio INTEGER NOT NULL,
  ord INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  PRIMARY KEY (lane, prio, ord, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE due (
  at INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  lane INTEGER NOT NULL,
  prio INTEGER NOT NULL,
  retrying INTEGER NOT NULL,
  PRIMARY KEY (at, seq)
) STRICT, WITHOUT ROWID;

-- flags: 1 started, 2 marked, 4 cancel requested.
CREATE TABLE run (
  seq INTEGER PRIMARY KEY,
  epoch INTEGER NOT NULL,
  nonce INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  at INTEGER NOT NULL,
  worker TEXT NOT NULL,
  flags INTEGER NOT NULL
) STRICT;

-- why: 0 expires_at, 1 parked for longer than max_age.
CREATE TABLE expiry (
  at INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  why INTEGER NOT NULL,
  PRIMARY KEY (at, seq, why)
) STRICT, WITHOUT ROWID;

CREATE TABLE uniq (
  key TEXT PRIMARY KEY,
  seq INTEGER NOT NULL,
  id BLOB NOT NULL,               -- of the holder, which may be gone before `until`
  until INTEGER                   -- ms; null: until the task is final
) STRICT, WITHOUT ROWID;
CREATE INDEX uniq_until ON uniq (until) WHERE until IS NOT NULL;

CREATE TABLE idem (
  key TEXT PRIMARY KEY,
  fingerprint BLOB NOT NULL,
  at INTEGER NOT NULL,
  ids BLOB NOT NULL               -- 17 bytes a task: its id, and 1 for a duplicate
) STRICT, WITHOUT ROWID;
CREATE INDEX idem_at ON idem (at);

CREATE TABLE batch_task (
  batch BLOB NOT NULL,
  seq INTEGER NOT NULL,
  PRIMARY KEY (batch, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE record (
  kind INTEGER NOT NULL,
  name TEXT NOT NULL,
  version INTEGER NOT NULL,
  updated INTEGER NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE series (
  at INTEGER NOT NULL,            -- ms, start of the minute
  queue INTEGER NOT NULL,
  data TEXT NOT NULL,             -- JSON array
  PRIMARY KEY (at, queue)
) STRICT, WITHOUT ROWID;

CREATE TABLE meta (
  key TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
