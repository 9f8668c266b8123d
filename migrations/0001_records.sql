-- The records of gangway.
--
-- Times are Unix milliseconds, UTC. Columns named `secrets` or `sealed` hold nothing readable: XChaCha20-Poly1305 under
-- the key of `seal.key`, bound to their table and row, so that a value copied to another row does not open.
-- States of facets are the stored names of `phone/facet.rs`.

-- Which key sealed this database: opening `proof` shows a wrong or lost key before anything is read or written.
CREATE TABLE seal (
    key_id  INTEGER PRIMARY KEY NOT NULL,
    proof   BLOB    NOT NULL
) STRICT;

-- Grows with every change; another process sees what is new by comparing. One row.
CREATE TABLE sequence (
    id      INTEGER PRIMARY KEY NOT NULL CHECK (id = 1),
    phone   INTEGER NOT NULL DEFAULT 0,
    fact    INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO sequence (id) VALUES (1);

-- One tenant: innovaphone domain and instance name as configured. DNS names: letter case does not matter.
CREATE TABLE instance (
    id                  INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    domain              TEXT    NOT NULL COLLATE NOCASE,
    name                TEXT    NOT NULL COLLATE NOCASE,
    settings_revision   INTEGER NOT NULL DEFAULT 0,
    created             INTEGER NOT NULL,
    UNIQUE (domain, name)
) STRICT;

-- One device. Rows are never deleted: a removed phone leaves its tombstone. `change` is the value of
-- `sequence.phone` when the phone, its accounts or its device configuration were written last.
CREATE TABLE phone (
    id                      INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    instance_id             INTEGER NOT NULL REFERENCES instance (id),
    mac                     TEXT    NOT NULL CHECK (length(mac) = 12),
    change                  INTEGER NOT NULL,
    provider                TEXT    NOT NULL,
    vendor                  TEXT    NOT NULL,
    model                   TEXT,
    firmware                TEXT,
    category                TEXT,
    wanted                  TEXT    NOT NULL,
    buried                  INTEGER,
    created                 INTEGER NOT NULL,
    provisioning            INTEGER NOT NULL,
    revision                INTEGER NOT NULL,
    -- HMAC-SHA256 of the token under a derived key: finds the phone without a readable token in the file.
    token_index             BLOB    NOT NULL,
    -- code, token, passwords, redirect URL: see `store/phone.rs`.
    secrets                 BLOB    NOT NULL,
    bootstrap_user          TEXT,
    bootstrap_proven        INTEGER,
    own_user                TEXT    NOT NULL,
    own_proven              INTEGER,
    window_opened           INTEGER,
    window_until            INTEGER,
    window_first_delivery   INTEGER,
    window_source           TEXT,
    window_family           TEXT,
    window_closed           INTEGER,
    -- 1: a person opened it, so the phone may also come without a token.
    window_by_person        INTEGER NOT NULL DEFAULT 0,
    sysclient_url           TEXT,
    sysclient_product       TEXT    NOT NULL,
    sysclient_version       TEXT    NOT NULL,
    config_received         INTEGER,
    redirect_server_name    TEXT,
    redirect_at             INTEGER,
    delivery_at             INTEGER,
    delivery_revision       INTEGER,
    delivery_provisioning   INTEGER,
    delivery_etag           TEXT,
    devices_state           TEXT    NOT NULL,
    devices_since           INTEGER NOT NULL,
    devices_error           TEXT,
    devices_next            INTEGER,
    devices_attempts        INTEGER NOT NULL,
    redirect_state          TEXT    NOT NULL,
    redirect_since          INTEGER NOT NULL,
    redirect_error          TEXT,
    redirect_next           INTEGER,
    redirect_attempts       INTEGER NOT NULL,
    request_state           TEXT    NOT NULL,
    request_since           INTEGER NOT NULL,
    request_error           TEXT,
    request_next            INTEGER,
    request_attempts        INTEGER NOT NULL,
    UNIQUE (instance_id, mac),
    UNIQUE (instance_id, token_index)
) STRICT;
CREATE INDEX phone_change ON phone (change);

-- One user on one phone.
CREATE TABLE account (
    phone_id                INTEGER NOT NULL REFERENCES phone (id) ON DELETE CASCADE,
    line                    INTEGER NOT NULL CHECK (line > 0),
    hwid                    TEXT    NOT NULL,
    user_guid               TEXT,
    username                TEXT    NOT NULL,
    cn                      TEXT    NOT NULL,
    secrets                 BLOB    NOT NULL,
    domain                  TEXT    NOT NULL,
    dns                     TEXT    NOT NULL,
    flag_media_relay        INTEGER,
    flag_tls_only           INTEGER,
    flag_reverse_proxy      INTEGER,
    flags_provisioning      INTEGER NOT NULL,
    registered_address      TEXT,
    orphaned                INTEGER,
    user_object_state       TEXT    NOT NULL,
    user_object_since       INTEGER NOT NULL,
    user_object_error       TEXT,
    user_object_next        INTEGER,
    user_object_attempts    INTEGER NOT NULL,
    registration_state      TEXT    NOT NULL,
    registration_since      INTEGER NOT NULL,
    registration_error      TEXT,
    registration_next       INTEGER,
    registration_attempts   INTEGER NOT NULL,
    PRIMARY KEY (phone_id, line)
) STRICT, WITHOUT ROWID;

-- What Devices deployed to a phone, all items in one sealed value: they arrive, are read and are replaced together.
CREATE TABLE device_config (
    phone_id    INTEGER PRIMARY KEY NOT NULL REFERENCES phone (id) ON DELETE CASCADE,
    sealed      BLOB    NOT NULL
) STRICT;

-- The time line of a phone; the newest 500 are kept.
CREATE TABLE event (
    id          INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    phone_id    INTEGER NOT NULL REFERENCES phone (id) ON DELETE CASCADE,
    at          INTEGER NOT NULL,
    kind        TEXT    NOT NULL,
    text        TEXT    NOT NULL,
    detail      TEXT
) STRICT;
CREATE INDEX event_phone ON event (phone_id, id);

-- The last request of a phone; written in batches behind the answers.
CREATE TABLE request_facts (
    phone_id    INTEGER PRIMARY KEY NOT NULL REFERENCES phone (id) ON DELETE CASCADE,
    at          INTEGER NOT NULL,
    address     TEXT    NOT NULL,
    user_agent  TEXT,
    file        TEXT    NOT NULL,
    outcome     TEXT    NOT NULL,
    requests    INTEGER NOT NULL
) STRICT;

-- Files a phone sent to us (its own log or configuration), sealed; the newest few per phone.
CREATE TABLE upload (
    id          INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    phone_id    INTEGER NOT NULL REFERENCES phone (id) ON DELETE CASCADE,
    name        TEXT    NOT NULL,
    at          INTEGER NOT NULL,
    size        INTEGER NOT NULL,
    sealed      BLOB    NOT NULL,
    UNIQUE (phone_id, name)
) STRICT;

-- What was said to redirect services and what they answered; secrets are masked by who writes.
CREATE TABLE history (
    id          INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    instance_id INTEGER NOT NULL REFERENCES instance (id),
    phone_id    INTEGER REFERENCES phone (id) ON DELETE SET NULL,
    mac         TEXT,
    vendor      TEXT    NOT NULL,
    command     TEXT    NOT NULL,
    at          INTEGER NOT NULL,
    took        INTEGER NOT NULL,
    outcome     TEXT    NOT NULL,
    answer      TEXT    NOT NULL
) STRICT;
CREATE INDEX history_instance_at ON history (instance_id, at);
CREATE INDEX history_instance_mac ON history (instance_id, mac, id);
CREATE INDEX history_phone ON history (phone_id);

-- Settings as set by people, by scope (`instance`, `vendor:yealink`, ...). All values are sealed: which of them are
-- secret is said by the table of settings, not by the schema.
CREATE TABLE setting (
    instance_id INTEGER NOT NULL REFERENCES instance (id),
    scope       TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    sealed      BLOB    NOT NULL,
    PRIMARY KEY (instance_id, scope, name)
) STRICT, WITHOUT ROWID;

-- What was learned of the world: URLs announced by the PBX, server entries at redirect services, generated secrets.
-- Exactly one of `value` and `sealed` is set.
CREATE TABLE fact (
    instance_id INTEGER NOT NULL REFERENCES instance (id),
    key         TEXT    NOT NULL,
    value       TEXT,
    sealed      BLOB,
    PRIMARY KEY (instance_id, key),
    CHECK ((value IS NULL) <> (sealed IS NULL))
) STRICT, WITHOUT ROWID;
