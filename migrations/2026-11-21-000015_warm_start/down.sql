ALTER TABLE retraining_schedules DROP COLUMN warm_start;
