-- Those who answer traffic also keep in memory what a key's owner may see; they hear here when that changes.
CREATE FUNCTION announce_access_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('recotem_serving', '');
    RETURN NULL;
END
$$;
CREATE TRIGGER announced AFTER INSERT OR UPDATE OR DELETE ON memberships
    FOR EACH STATEMENT EXECUTE FUNCTION announce_access_change();
CREATE TRIGGER announced AFTER UPDATE OF organisation_id OR DELETE ON projects
    FOR EACH STATEMENT EXECUTE FUNCTION announce_access_change();
CREATE TRIGGER announced_staff AFTER UPDATE OF is_staff ON users
    FOR EACH STATEMENT EXECUTE FUNCTION announce_access_change();
