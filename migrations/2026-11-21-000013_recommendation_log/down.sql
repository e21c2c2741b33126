DROP TABLE recommendation_log;
DROP TRIGGER announced_logging ON projects;
ALTER TABLE projects DROP COLUMN logged_share;
