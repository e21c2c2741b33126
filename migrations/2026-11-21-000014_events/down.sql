ALTER TABLE ab_tests DROP COLUMN kept_counts;
DROP TABLE event_daily_counts;
ALTER TABLE retraining_schedules DROP COLUMN event_types, DROP COLUMN data_source;
ALTER TABLE training_data DROP COLUMN sources;
