-- Tokens of scripts. Only the SHA-256 of a token is kept: it is 256 random bits, so nothing is gained by a slower hash.
CREATE TABLE token (
    id          INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    instance_id INTEGER NOT NULL REFERENCES instance (id),
    name        TEXT    NOT NULL,
    scope       TEXT    NOT NULL CHECK (scope IN ('read', 'write')),
    digest      BLOB    NOT NULL CHECK (length(digest) = 32),
    created     INTEGER NOT NULL,
    created_by  TEXT    NOT NULL,
    expires     INTEGER,
    UNIQUE (instance_id, name)
) STRICT;
