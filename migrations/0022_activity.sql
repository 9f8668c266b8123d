-- How much was going on in each hour (`hour`: its beginning), for people's charts. The last 31 days.
CREATE TABLE activity (
    instance_id     INTEGER NOT NULL REFERENCES instance (id),
    hour            INTEGER NOT NULL,
    requests        INTEGER NOT NULL DEFAULT 0,
    deliveries      INTEGER NOT NULL DEFAULT 0,
    provisionings   INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (instance_id, hour)
) STRICT, WITHOUT ROWID;
