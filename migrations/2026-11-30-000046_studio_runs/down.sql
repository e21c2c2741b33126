ALTER TABLE api_keys DROP COLUMN requests_per_minute;
ALTER TABLE item_meta_data DROP COLUMN id_column;
DROP TABLE studio_runs;
