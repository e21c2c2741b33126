ALTER TABLE tuning_jobs DROP COLUMN search_weights;
ALTER TABLE projects DROP COLUMN half_life_days, DROP COLUMN event_weights, DROP COLUMN event_column;
