-- What the gateway learned or generated once gets tables with columns. Table `fact` held it as text by key.
--
-- Sealed values stay bound to the place in table `fact` where they were sealed (`fact/<instance>/<key>`), so that they
-- need not be sealed again.

-- Grows with every change of the tables below.
ALTER TABLE sequence ADD COLUMN learned INTEGER NOT NULL DEFAULT 0;

-- The public URL that a provider's app objects agreed on last, and the different ones while they do not agree.
CREATE TABLE learned_url (
    instance_id INTEGER NOT NULL REFERENCES instance (id),
    provider    TEXT    NOT NULL,
    url         TEXT,
    -- URLs, separated by blanks.
    conflict    TEXT,
    PRIMARY KEY (instance_id, provider)
) STRICT, WITHOUT ROWID;

-- The websocket URL of Devices that the PBX announced last.
CREATE TABLE devices_address (
    instance_id INTEGER PRIMARY KEY NOT NULL REFERENCES instance (id),
    url         TEXT    NOT NULL
) STRICT;

-- The APIs that a PBX granted to an app object at its last connection, separated by blanks.
CREATE TABLE app_grant (
    instance_id INTEGER NOT NULL REFERENCES instance (id),
    app         TEXT    NOT NULL,
    apis        TEXT    NOT NULL,
    PRIMARY KEY (instance_id, app)
) STRICT, WITHOUT ROWID;

-- Hosts of PBXs that were connected, the latest with the highest position. Their clients may frame the admin page.
CREATE TABLE frame_host (
    instance_id INTEGER NOT NULL REFERENCES instance (id),
    position    INTEGER NOT NULL,
    host        TEXT    NOT NULL,
    PRIMARY KEY (instance_id, position)
) STRICT, WITHOUT ROWID;

-- Addresses or networks from which a PBX has logged in, the latest with the highest position.
CREATE TABLE pbx_source (
    instance_id INTEGER NOT NULL REFERENCES instance (id),
    position    INTEGER NOT NULL,
    address     TEXT    NOT NULL,
    PRIMARY KEY (instance_id, position)
) STRICT, WITHOUT ROWID;

-- Reverse proxies that the configuration does not list.
CREATE TABLE unlisted_proxy (
    instance_id INTEGER NOT NULL REFERENCES instance (id),
    peer        TEXT    NOT NULL,
    header      TEXT    NOT NULL,
    is_listed   INTEGER NOT NULL,
    -- RFC 3339.
    since       TEXT    NOT NULL,
    last        TEXT    NOT NULL,
    PRIMARY KEY (instance_id, peer)
) STRICT, WITHOUT ROWID;

-- One-time URLs, by the hash of their token. A phone has one at most.
CREATE TABLE bootstrap_ticket (
    instance_id INTEGER NOT NULL REFERENCES instance (id),
    token       TEXT    NOT NULL,
    mac         TEXT    NOT NULL,
    -- Unix seconds.
    until       INTEGER NOT NULL,
    used        INTEGER NOT NULL,
    base        TEXT    NOT NULL,
    PRIMARY KEY (instance_id, token),
    UNIQUE (instance_id, mac)
) STRICT, WITHOUT ROWID;

-- The generated password of the shared bootstrap account.
CREATE TABLE bootstrap_account (
    instance_id INTEGER PRIMARY KEY NOT NULL REFERENCES instance (id),
    sealed      BLOB    NOT NULL
) STRICT;

-- Name and URL of the server entry that a redirect service got last.
CREATE TABLE server_entry (
    instance_id INTEGER NOT NULL REFERENCES instance (id),
    vendor      TEXT    NOT NULL,
    sealed      BLOB    NOT NULL,
    PRIMARY KEY (instance_id, vendor)
) STRICT, WITHOUT ROWID;

-- The fingerprint of the redirect account with which phones were tried last.
CREATE TABLE tried_account (
    instance_id INTEGER NOT NULL REFERENCES instance (id),
    vendor      TEXT    NOT NULL,
    sealed      BLOB    NOT NULL,
    PRIMARY KEY (instance_id, vendor)
) STRICT, WITHOUT ROWID;

INSERT INTO learned_url (instance_id, provider, url)
SELECT instance_id, substr(key, length('learned_url.') + 1), value FROM fact
WHERE key GLOB 'learned_url.*' AND value IS NOT NULL;

INSERT INTO learned_url (instance_id, provider, conflict)
SELECT instance_id, substr(key, length('learned_url_conflict.') + 1), value FROM fact
WHERE key GLOB 'learned_url_conflict.*' AND value IS NOT NULL
ON CONFLICT (instance_id, provider) DO UPDATE SET conflict = excluded.conflict;

INSERT INTO devices_address (instance_id, url)
SELECT instance_id, value FROM fact WHERE key = 'devices.sysclients' AND value IS NOT NULL;

INSERT INTO app_grant (instance_id, app, apis)
SELECT instance_id, substr(key, length('grants.') + 1), value FROM fact
WHERE key GLOB 'grants.*' AND value IS NOT NULL;

-- The lists hold host names and addresses, separated by blanks.
INSERT INTO frame_host (instance_id, position, host)
SELECT fact.instance_id, word.key, word.value
FROM fact, json_each('["' || replace(replace(replace(fact.value, '\', ''), '"', ''), ' ', '","') || '"]') AS word
WHERE fact.key = 'frame.hosts' AND word.value <> '';

INSERT INTO pbx_source (instance_id, position, address)
SELECT fact.instance_id, word.key, word.value
FROM fact, json_each('["' || replace(replace(replace(fact.value, '\', ''), '"', ''), ' ', '","') || '"]') AS word
WHERE fact.key = 'pbx.sources' AND word.value <> '';

INSERT OR IGNORE INTO unlisted_proxy (instance_id, peer, header, is_listed, since, last)
SELECT instance_id, value ->> 'peer', value ->> 'header', CAST(value ->> 'is_listed' AS INTEGER), value ->> 'since',
    value ->> 'last'
FROM (SELECT instance_id, CASE WHEN json_valid(value) THEN value ELSE '{}' END AS value
    FROM fact WHERE key GLOB 'unlisted-proxy.*' AND value IS NOT NULL);

-- "<mac> <seconds> used|fresh <base>". Of several tickets of a phone the one it refers to is valid.
INSERT OR IGNORE INTO bootstrap_ticket (instance_id, token, mac, until, used, base)
SELECT instance_id, token, mac, CAST(substr(rest, 1, instr(rest, ' ') - 1) AS INTEGER),
    CAST(substr(rest, instr(rest, ' ') + 1) GLOB 'used *' AS INTEGER),
    substr(substr(rest, instr(rest, ' ') + 1), instr(substr(rest, instr(rest, ' ') + 1), ' ') + 1)
FROM (SELECT ticket.instance_id, substr(ticket.key, length('bootstrap.') + 1) AS token,
        substr(ticket.value, 1, 12) AS mac, substr(ticket.value, 14) AS rest
    FROM fact AS ticket JOIN fact AS reference ON reference.instance_id = ticket.instance_id
        AND reference.key = 'bootstrap_of.' || substr(ticket.value, 1, 12) AND reference.value = ticket.key
    WHERE ticket.key GLOB 'bootstrap.*' AND ticket.value IS NOT NULL);

INSERT INTO bootstrap_account (instance_id, sealed)
SELECT instance_id, sealed FROM fact WHERE key = 'bootstrap_password' AND sealed IS NOT NULL;

INSERT INTO server_entry (instance_id, vendor, sealed)
SELECT instance_id, substr(key, length('server_entry.') + 1), sealed FROM fact
WHERE key GLOB 'server_entry.*' AND sealed IS NOT NULL;

INSERT INTO tried_account (instance_id, vendor, sealed)
SELECT instance_id, substr(key, length('redirect_tried.') + 1), sealed FROM fact
WHERE key GLOB 'redirect_tried.*' AND sealed IS NOT NULL;

DELETE FROM fact WHERE key GLOB 'learned_url.*' OR key GLOB 'learned_url_conflict.*' OR key = 'devices.sysclients'
    OR key GLOB 'grants.*' OR key IN ('frame.hosts', 'pbx.sources', 'bootstrap_password')
    OR key GLOB 'unlisted-proxy.*' OR key GLOB 'bootstrap.*' OR key GLOB 'bootstrap_of.*'
    OR key GLOB 'server_entry.*' OR key GLOB 'redirect_tried.*';
UPDATE sequence SET fact = fact + 1, learned = 1;
