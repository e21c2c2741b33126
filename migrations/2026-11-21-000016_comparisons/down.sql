ALTER TABLE retraining_runs DROP COLUMN deployed_data_id;
DO $$
BEGIN
    EXECUTE replace(pg_get_functiondef('record_change()'::regprocedure),
        '{password_hash,key_hash,token_hash,assignment_salt}', '{password_hash,key_hash,token_hash}');
END
$$;
ALTER TABLE projects DROP COLUMN assignment_salt;
