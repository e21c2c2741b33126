-- The probability with which a place of a list goes to a new item instead of the next best.
ALTER TABLE projects ADD COLUMN new_item_share DOUBLE PRECISION NOT NULL DEFAULT 0 CHECK (new_item_share BETWEEN 0 AND 0.3);

DROP TRIGGER announced_settings ON projects;
CREATE TRIGGER announced_settings AFTER UPDATE OF unknown_user, logged_share, new_item_share ON projects
    FOR EACH ROW
    WHEN ((OLD.unknown_user, OLD.logged_share, OLD.new_item_share)
        IS DISTINCT FROM (NEW.unknown_user, NEW.logged_share, NEW.new_item_share))
    EXECUTE FUNCTION announce_project_change();
