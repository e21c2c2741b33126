ALTER TABLE ab_tests DROP COLUMN significant_at;
