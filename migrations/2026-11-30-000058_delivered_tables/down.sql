DROP POLICY tenant ON data_connections;
CREATE POLICY tenant ON data_connections USING (
    (visible_organisations() IS NULL OR organisation_id = ANY (visible_organisations()))
    AND (visible_project() IS NULL OR id IN (SELECT connection_id FROM data_sources)));
ALTER TABLE deliveries DROP COLUMN connection_id, DROP COLUMN target, DROP COLUMN stage, DROP COLUMN sent, DROP COLUMN to_send;
ALTER TABLE destinations DROP COLUMN connection_id, DROP COLUMN target;
