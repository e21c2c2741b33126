-- What a user gets whom the model does not know: the best list there is, or 404 as from 1.x.
ALTER TABLE projects ADD COLUMN unknown_user TEXT NOT NULL DEFAULT 'fallback' CHECK (unknown_user IN ('fallback', 'not_found'));

-- Those who answer traffic also keep in memory what a key's owner may see; they hear here when that changes.
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
