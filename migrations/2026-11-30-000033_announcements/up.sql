-- An announcement names what changed, and a statement that changes nothing announces nothing: an update that sets a column to the
-- value it has would otherwise put everything in doubt that a process keeps in memory, of all tenants.
DROP FUNCTION announce_access_change CASCADE;

-- Arguments: 'moved' when the project went to another organisation.
CREATE FUNCTION announce_project_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('recotem_serving', jsonb_build_object('table', TG_TABLE_NAME, 'id', OLD.id, 'project_id', OLD.id,
        'is_moved', TG_NARGS > 0)::text);
    RETURN NULL;
END
$$;
CREATE TRIGGER announced_removal AFTER DELETE ON projects
    FOR EACH ROW EXECUTE FUNCTION announce_project_change();
CREATE TRIGGER announced_move AFTER UPDATE OF organisation_id ON projects
    FOR EACH ROW WHEN (OLD.organisation_id IS DISTINCT FROM NEW.organisation_id)
    EXECUTE FUNCTION announce_project_change('moved');
CREATE TRIGGER announced_settings AFTER UPDATE OF unknown_user, logged_share ON projects
    FOR EACH ROW WHEN ((OLD.unknown_user, OLD.logged_share) IS DISTINCT FROM (NEW.unknown_user, NEW.logged_share))
    EXECUTE FUNCTION announce_project_change();

-- A membership has no id of its own: its user is announced, whose keys depend on it.
CREATE FUNCTION announce_membership_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('recotem_serving', jsonb_build_object('table', TG_TABLE_NAME,
        'id', CASE WHEN TG_OP = 'INSERT' THEN NEW.user_id ELSE OLD.user_id END, 'project_id', NULL)::text);
    RETURN NULL;
END
$$;
CREATE TRIGGER announced AFTER INSERT OR DELETE ON memberships
    FOR EACH ROW EXECUTE FUNCTION announce_membership_change();
CREATE TRIGGER announced_role AFTER UPDATE ON memberships
    FOR EACH ROW WHEN ((OLD.organisation_id, OLD.role) IS DISTINCT FROM (NEW.organisation_id, NEW.role))
    EXECUTE FUNCTION announce_membership_change();

DROP TRIGGER announced ON users;
CREATE TRIGGER announced AFTER DELETE ON users
    FOR EACH ROW EXECUTE FUNCTION announce_serving_change();
CREATE TRIGGER announced_access AFTER UPDATE OF is_active, is_staff ON users
    FOR EACH ROW WHEN ((OLD.is_active, OLD.is_staff) IS DISTINCT FROM (NEW.is_active, NEW.is_staff))
    EXECUTE FUNCTION announce_serving_change();
