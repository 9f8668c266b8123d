-- Migration 0050 moved what the gateway learned out of table `fact`. What is left there and in `handover` are messages and
-- files that commands and gateways of earlier versions left for each other. They use the local socket now.
DROP TABLE fact;
DROP TABLE handover;
ALTER TABLE sequence DROP COLUMN fact;
