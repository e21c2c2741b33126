ALTER TABLE training_data DROP COLUMN stored_at;
ALTER TABLE recommendation_log DROP COLUMN plain_cutoff;
