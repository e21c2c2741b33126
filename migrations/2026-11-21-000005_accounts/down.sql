DROP TRIGGER placed ON audit_log;
DROP FUNCTION place_in_organisation;
DROP INDEX audit_log_user;
DROP INDEX users_email;
DROP TABLE invitations, password_resets, login_attempts, refresh_tokens, sessions;
