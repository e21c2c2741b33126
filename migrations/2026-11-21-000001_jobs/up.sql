-- The job queue. See crates/platform/src/queue/mod.rs for the states and who moves a job between them.
CREATE TABLE jobs (
    id bigserial PRIMARY KEY,
    -- what the outside calls this job
    task_id uuid NOT NULL DEFAULT gen_random_uuid() UNIQUE,
    kind text NOT NULL,
    payload jsonb NOT NULL,
    state text NOT NULL DEFAULT 'available'
        CHECK (state IN ('available', 'running', 'retryable', 'completed', 'failed', 'cancelled')),
    priority integer NOT NULL DEFAULT 0,
    -- not before; null means at once
    run_at timestamptz,
    attempt integer NOT NULL DEFAULT 0,
    max_attempts integer NOT NULL CHECK (max_attempts > 0),
    timeout_seconds bigint NOT NULL CHECK (timeout_seconds > 0),
    -- at most one live job has it
    unique_key text,
    -- jobs that are cancelled together, such as 'tuning:12'
    group_key text,
    cancel_requested boolean NOT NULL DEFAULT false,
    -- who runs it, and until when it is theirs without a heartbeat
    lease_owner text,
    lease_until timestamptz,
    heartbeat_at timestamptz,
    last_error text,
    -- one object {attempt, at, error} per failed attempt
    errors jsonb NOT NULL DEFAULT '[]',
    created_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    finished_at timestamptz,
    CHECK ((state = 'running') = (lease_owner IS NOT NULL AND lease_until IS NOT NULL)),
    CHECK ((state IN ('completed', 'failed', 'cancelled')) = (finished_at IS NOT NULL))
);

CREATE INDEX jobs_to_claim ON jobs (priority DESC, id) WHERE state IN ('available', 'retryable');
CREATE INDEX jobs_running ON jobs (lease_until) WHERE state = 'running';
CREATE INDEX jobs_finished ON jobs (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX jobs_group ON jobs (group_key) WHERE group_key IS NOT NULL;
CREATE UNIQUE INDEX jobs_unique_while_live ON jobs (unique_key)
    WHERE unique_key IS NOT NULL AND state IN ('available', 'running', 'retryable');
