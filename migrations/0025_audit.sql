-- Who changed what or had a secret shown, by page, REST or command. Bounded per instance: see `store/audit.rs`.
CREATE TABLE audit (
    id          INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    instance_id INTEGER NOT NULL REFERENCES instance (id),
    at          INTEGER NOT NULL,
    who         TEXT    NOT NULL,
    -- page | rest | command
    way         TEXT    NOT NULL,
    -- Address of the client; empty for a command on the machine itself.
    source      TEXT    NOT NULL,
    -- A MAC, a scope of settings, a token's name; empty for the whole instance.
    target      TEXT    NOT NULL,
    deed        TEXT    NOT NULL
) STRICT;
CREATE INDEX audit_of_instance ON audit (instance_id, id);
