DROP FUNCTION announce_access_change CASCADE;
