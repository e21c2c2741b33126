-- When a running test could tell its slots apart for the first time, so that it is told once.
ALTER TABLE ab_tests ADD COLUMN significant_at TIMESTAMPTZ;
