-- Uploads with one row for each user have the same life as those about items, and lie beside them.
ALTER TABLE item_meta_data ADD COLUMN subject TEXT NOT NULL DEFAULT 'item' CHECK (subject IN ('item', 'user'));

DROP INDEX item_meta_data_project_id;
CREATE INDEX item_meta_data_project_id ON item_meta_data (project_id, subject);

-- The audit log names each kind of upload as the API's paths do. A row never changes its subject.
DROP TRIGGER recorded ON item_meta_data;
CREATE TRIGGER recorded_of_items AFTER INSERT OR UPDATE ON item_meta_data FOR EACH ROW WHEN (NEW.subject = 'item')
    EXECUTE FUNCTION record_change('item_meta_data', '($1 ->> ''project_id'')::bigint',
        '(SELECT p.organisation_id FROM projects p WHERE p.id = $2)');
CREATE TRIGGER recorded_end_of_items AFTER DELETE ON item_meta_data FOR EACH ROW WHEN (OLD.subject = 'item')
    EXECUTE FUNCTION record_change('item_meta_data', '($1 ->> ''project_id'')::bigint',
        '(SELECT p.organisation_id FROM projects p WHERE p.id = $2)');
CREATE TRIGGER recorded_of_users AFTER INSERT OR UPDATE ON item_meta_data FOR EACH ROW WHEN (NEW.subject = 'user')
    EXECUTE FUNCTION record_change('user_meta_data', '($1 ->> ''project_id'')::bigint',
        '(SELECT p.organisation_id FROM projects p WHERE p.id = $2)');
CREATE TRIGGER recorded_end_of_users AFTER DELETE ON item_meta_data FOR EACH ROW WHEN (OLD.subject = 'user')
    EXECUTE FUNCTION record_change('user_meta_data', '($1 ->> ''project_id'')::bigint',
        '(SELECT p.organisation_id FROM projects p WHERE p.id = $2)');
