ALTER TABLE organisations DROP COLUMN founder_id;
