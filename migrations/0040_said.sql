-- Key and parameters of an event's sentence, as JSON, so that a page can show it in its own language. Events written
-- before have none: of them there is the English text alone.
ALTER TABLE event ADD COLUMN said TEXT;
