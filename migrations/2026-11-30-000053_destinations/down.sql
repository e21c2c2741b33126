CREATE OR REPLACE FUNCTION stored_bytes_of(organisation bigint, with_those_of_founder boolean) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    visible TEXT := coalesce(current_setting('recotem.organisations', true), '');
    project TEXT := coalesce(current_setting('recotem.project', true), '');
    counted BIGINT[];
    total BIGINT;
BEGIN
    PERFORM set_config('recotem.organisations', '*', true), set_config('recotem.project', '', true);
    counted := ARRAY(
        SELECT o.id FROM organisations o WHERE o.id = organisation
            OR (with_those_of_founder AND o.founder_id = (SELECT f.founder_id FROM organisations f WHERE f.id = organisation)));
    SELECT coalesce(sum(files.bytes), 0) INTO total FROM (
        SELECT d.stored_bytes AS bytes FROM training_data d JOIN projects p ON p.id = d.project_id
            WHERE p.organisation_id = ANY (counted)
        UNION ALL SELECT i.stored_bytes FROM item_meta_data i JOIN projects p ON p.id = i.project_id
            WHERE p.organisation_id = ANY (counted)
        UNION ALL SELECT c.bytes FROM item_changes c JOIN projects p ON p.id = c.project_id
            WHERE p.organisation_id = ANY (counted)
        UNION ALL SELECT m.filesize FROM trained_models m JOIN model_configurations c ON c.id = m.configuration_id
            JOIN projects p ON p.id = c.project_id WHERE p.organisation_id = ANY (counted)
    ) AS files;
    PERFORM set_config('recotem.organisations', visible, true), set_config('recotem.project', project, true);
    RETURN total;
END
$$;
DROP TABLE deliveries;
DROP TABLE destinations;
