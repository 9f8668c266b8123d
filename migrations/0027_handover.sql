-- Files a command hands to the serving gateway, sealed: they may hold users' passwords. Gone once they are taken.
CREATE TABLE handover (
    key         TEXT    PRIMARY KEY NOT NULL,
    instance_id INTEGER NOT NULL REFERENCES instance (id),
    at          INTEGER NOT NULL,
    sealed      BLOB    NOT NULL
) STRICT;
