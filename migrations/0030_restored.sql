-- Set when this database was put in place from a backup. As long as `taken_over` is empty the gateway is passive: another
-- one may still serve these phones. One row or none.
CREATE TABLE restored (
    id          INTEGER PRIMARY KEY NOT NULL CHECK (id = 1),
    at          INTEGER NOT NULL,
    made        INTEGER NOT NULL,
    taken_over  INTEGER
) STRICT;
