-- When a setting was changed or taken back last: phones whose file is older still hold the old value.
CREATE TABLE setting_change (
    instance_id INTEGER NOT NULL REFERENCES instance (id),
    scope       TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    at          INTEGER NOT NULL,
    PRIMARY KEY (instance_id, scope, name)
) STRICT, WITHOUT ROWID;
