DROP TRIGGER announced_access ON users;
DROP TRIGGER announced ON users;
CREATE TRIGGER announced AFTER DELETE OR UPDATE OF is_active ON users
    FOR EACH ROW EXECUTE FUNCTION announce_serving_change();
DROP FUNCTION announce_project_change CASCADE;
DROP FUNCTION announce_membership_change CASCADE;

CREATE FUNCTION announce_access_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('recotem_serving', '');
    RETURN NULL;
END
$$;
CREATE TRIGGER announced AFTER INSERT OR UPDATE OR DELETE ON memberships
    FOR EACH STATEMENT EXECUTE FUNCTION announce_access_change();
CREATE TRIGGER announced AFTER UPDATE OF organisation_id, unknown_user OR DELETE ON projects
    FOR EACH STATEMENT EXECUTE FUNCTION announce_access_change();
CREATE TRIGGER announced_staff AFTER UPDATE OF is_staff ON users
    FOR EACH STATEMENT EXECUTE FUNCTION announce_access_change();
CREATE TRIGGER announced_logging AFTER UPDATE OF logged_share ON projects
    FOR EACH STATEMENT EXECUTE FUNCTION announce_access_change();
