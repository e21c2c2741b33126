DROP TRIGGER announced_settings ON projects;
ALTER TABLE projects DROP COLUMN new_item_share;
CREATE TRIGGER announced_settings AFTER UPDATE OF unknown_user, logged_share ON projects
    FOR EACH ROW WHEN ((OLD.unknown_user, OLD.logged_share) IS DISTINCT FROM (NEW.unknown_user, NEW.logged_share))
    EXECUTE FUNCTION announce_project_change();
