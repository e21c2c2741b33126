-- The columns of item metadata with titles and pictures, where their names do not tell.
ALTER TABLE projects ADD COLUMN title_column TEXT, ADD COLUMN image_column TEXT;
