-- What of a project decides which user meets which slot. It outlives every secret: a test that runs keeps its two groups.
ALTER TABLE projects ADD COLUMN assignment_salt UUID NOT NULL DEFAULT gen_random_uuid();

-- Whoever knows it can tell who is shown what, so that it stays out of the audit log, too.
DO $$
BEGIN
    EXECUTE replace(pg_get_functiondef('record_change()'::regprocedure),
        '{password_hash,key_hash,token_hash}', '{password_hash,key_hash,token_hash,assignment_salt}');
END
$$;

-- What the deployed side of the quality gate learnt from, where that was other data than the run's.
ALTER TABLE retraining_runs ADD COLUMN deployed_data_id BIGINT REFERENCES training_data ON DELETE SET NULL;
