ALTER TABLE item_meta_data DROP COLUMN error, DROP COLUMN status;
