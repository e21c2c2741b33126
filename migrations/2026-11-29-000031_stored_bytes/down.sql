DROP FUNCTION stored_bytes_of(bigint, boolean);
ALTER TABLE item_meta_data DROP COLUMN stored_bytes;
ALTER TABLE training_data DROP COLUMN stored_bytes;
