-- Several Devices apps: where a provisioning code comes from, and the domain of a phone. The name of a device at its user
-- object and as Devices was told.
ALTER TABLE phone ADD COLUMN devices_domain TEXT;
ALTER TABLE phone ADD COLUMN code_made_at TEXT;
ALTER TABLE phone ADD COLUMN code_valid_until INTEGER;
ALTER TABLE phone ADD COLUMN code_refused_at TEXT NOT NULL DEFAULT '';
ALTER TABLE phone ADD COLUMN sysclient_name TEXT NOT NULL DEFAULT '';
ALTER TABLE account ADD COLUMN device_name TEXT;
-- A user may have no PBX password.
ALTER TABLE account ADD COLUMN has_no_password INTEGER NOT NULL DEFAULT 0;

-- The websocket URLs of all Devices apps that the PBXs announced last, in the order of their announcement.
CREATE TABLE devices_addresses (
    instance_id INTEGER NOT NULL REFERENCES instance (id),
    position    INTEGER NOT NULL,
    url         TEXT    NOT NULL,
    PRIMARY KEY (instance_id, position)
) STRICT, WITHOUT ROWID;
INSERT INTO devices_addresses (instance_id, position, url) SELECT instance_id, 0, url FROM devices_address;
DROP TABLE devices_address;
