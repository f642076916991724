-- Where a task is, is told by presence: a row in `run` is running, in `due` is scheduled or
-- retrying, in `ready` is queued, in `outcome` is final. So the row with the payload is written at
-- enqueue, and again only when a try ends without ending the task; a success appends to `outcome`
-- and grows no row in the middle of a full page.

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
  token BLOB,                     -- the last token that settled a try
  error TEXT,                     -- JSON, of the last failed try
  log TEXT,                       -- JSON, the attempts until the last one that ended the task
  ext TEXT,                       -- JSON, what few tasks have
  payload TEXT NOT NULL
) STRICT;

CREATE TABLE outcome (
  seq INTEGER PRIMARY KEY,
  state INTEGER NOT NULL,         -- state code, a final one
  keep INTEGER NOT NULL,          -- retention class: 0 succeeded, cancelled, expired; 1 failed
  finished INTEGER NOT NULL,      -- ms
  attempt INTEGER NOT NULL,
  failures INTEGER NOT NULL,
  held INTEGER NOT NULL,          -- 1: held by the sandbox, a record goes with it
  started INTEGER,                -- ms, of the attempt that succeeded
  worker TEXT,                    -- of the attempt that succeeded
  token BLOB,                     -- the token that settled it
  error TEXT,                     -- JSON
  log TEXT,                       -- JSON, all attempts; null: none but the one that succeeded
  result TEXT
) STRICT;
CREATE INDEX outcome_keep ON outcome (keep, finished);
CREATE INDEX outcome_ended ON outcome (state) WHERE state > 4;

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
