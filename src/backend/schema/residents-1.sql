-- Who lives in which region: names as keyed digests, so that the file tells nobody's.

CREATE TABLE server (
    name  TEXT PRIMARY KEY NOT NULL,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO server VALUES ('digest_key', randomblob(32));

CREATE TABLE residents (
    digest  BLOB PRIMARY KEY NOT NULL,
    region  TEXT NOT NULL,
    account INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX residents_of ON residents (region, account);
