ALTER TABLE projects DROP COLUMN title_column, DROP COLUMN image_column;
