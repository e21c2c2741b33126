-- Where lists go: to a table of a connection, or to a file without one.
ALTER TABLE destinations ADD COLUMN connection_id BIGINT REFERENCES data_connections;
-- {table}
ALTER TABLE destinations ADD COLUMN target JSONB;
ALTER TABLE destinations ADD CONSTRAINT destinations_target CHECK ((connection_id IS NULL) = (target IS NULL));
CREATE INDEX destinations_connection_id ON destinations (connection_id);
ALTER TABLE deliveries ADD COLUMN connection_id BIGINT REFERENCES data_connections ON DELETE SET NULL;
ALTER TABLE deliveries ADD COLUMN target JSONB;
ALTER TABLE deliveries ADD COLUMN stage TEXT NOT NULL DEFAULT 'computing' CHECK (stage IN ('computing', 'sending'));
-- Bytes of the rows that the table has received, of all.
ALTER TABLE deliveries ADD COLUMN sent BIGINT NOT NULL DEFAULT 0;
ALTER TABLE deliveries ADD COLUMN to_send BIGINT;
CREATE INDEX deliveries_connection_id ON deliveries (connection_id);

DROP POLICY tenant ON data_connections;
CREATE POLICY tenant ON data_connections USING (
    (visible_organisations() IS NULL OR organisation_id = ANY (visible_organisations()))
    AND (visible_project() IS NULL OR id IN (SELECT connection_id FROM data_sources)
        OR id IN (SELECT connection_id FROM destinations)));
