-- A base has several accounts, provisioned one after the other: each remembers the phone's provisioning count it was
-- put there with. `orphaned_by` tells what is gone (see `phone/record/account.rs`), `withheld` since when the account is
-- written off in the phone's file.
ALTER TABLE account ADD COLUMN provisioning INTEGER NOT NULL DEFAULT 0;
ALTER TABLE account ADD COLUMN orphaned_by TEXT;
ALTER TABLE account ADD COLUMN withheld INTEGER;
UPDATE account SET provisioning = (SELECT phone.provisioning FROM phone WHERE phone.id = account.phone_id);
-- Until now only Devices said so.
UPDATE account SET orphaned_by = 'device' WHERE orphaned IS NOT NULL;
