-- The kinds and queues (what 0) and lanes (what 1) that a tenant used lately, each with its last day: they are bounded for each
-- tenant, and forgotten when they were not used for a week.
CREATE TABLE IF NOT EXISTS brought (
  tenant TEXT NOT NULL,
  what INTEGER NOT NULL,
  text TEXT NOT NULL,
  day INTEGER NOT NULL,           -- since 1970
  PRIMARY KEY (tenant, what, text)
) STRICT, WITHOUT ROWID;

-- Names that tenants alone use: they take nothing from what the installation may have.
CREATE TABLE IF NOT EXISTS apart_name (
  id INTEGER PRIMARY KEY
) STRICT;
