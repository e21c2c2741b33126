DROP TRIGGER recorded_of_items ON item_meta_data;
DROP TRIGGER recorded_end_of_items ON item_meta_data;
DROP TRIGGER recorded_of_users ON item_meta_data;
DROP TRIGGER recorded_end_of_users ON item_meta_data;
-- Nothing else knows uploads about users; as items they would be taken for the newest.
SELECT set_config('recotem.organisations', '*', true);
DELETE FROM item_meta_data WHERE subject = 'user';
DROP INDEX item_meta_data_project_id;
ALTER TABLE item_meta_data DROP COLUMN subject;
CREATE INDEX item_meta_data_project_id ON item_meta_data (project_id);
CALL record_changes('item_meta_data', 'item_meta_data', '($1 ->> ''project_id'')::bigint');
