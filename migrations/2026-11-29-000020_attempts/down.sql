ALTER TABLE login_attempts DROP COLUMN proven_until;
