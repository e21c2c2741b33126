DROP FUNCTION announce_access_change CASCADE;
ALTER TABLE projects DROP COLUMN unknown_user;
