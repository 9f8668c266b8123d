-- The file a phone fetched last, deflated, then sealed: what people compare the present one with. The newest few names
-- of a phone; `etag` tells whether it is the delivery the record knows of. Gone with the phone's removal.
CREATE TABLE delivered_file (
    id          INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    phone_id    INTEGER NOT NULL REFERENCES phone (id) ON DELETE CASCADE,
    name        TEXT    NOT NULL,
    at          INTEGER NOT NULL,
    etag        TEXT    NOT NULL,
    sealed      BLOB    NOT NULL,
    UNIQUE (phone_id, name)
) STRICT;
