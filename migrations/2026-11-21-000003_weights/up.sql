-- How much an interaction counts: by its type, and by its age.
ALTER TABLE projects
    ADD COLUMN event_column   TEXT,
    ADD COLUMN event_weights  JSONB NOT NULL DEFAULT '{}',
    ADD COLUMN half_life_days DOUBLE PRECISION;

ALTER TABLE tuning_jobs
    ADD COLUMN search_weights BOOLEAN NOT NULL DEFAULT FALSE;
