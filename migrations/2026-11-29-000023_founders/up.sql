-- Whose turn the jobs of an organisation take: that of the user who created it, for good. Owners change, and an owner who joined
-- later must not pay for the jobs of others. Staff create organisations for others: those they create have no founder and a turn
-- of their own.
SELECT set_config('recotem.organisations', '*', true);

ALTER TABLE organisations ADD COLUMN founder_id BIGINT REFERENCES users ON DELETE SET NULL;

-- No user changes these rows, so the audit log does not record it.
ALTER TABLE organisations DISABLE TRIGGER recorded;
UPDATE organisations SET founder_id = (
    SELECT owner.id FROM (
        SELECT users.id, users.is_staff FROM memberships JOIN users ON users.id = memberships.user_id
        WHERE memberships.organisation_id = organisations.id AND memberships.role = 'owner'
        ORDER BY memberships.ins_datetime, memberships.user_id LIMIT 1
    ) AS owner
    WHERE organisations.is_personal OR NOT owner.is_staff
);
ALTER TABLE organisations ENABLE TRIGGER recorded;

-- Jobs that wait or run take that turn, too.
UPDATE jobs
SET tenant_key = coalesce('founder:' || organisations.founder_id, 'organisation:' || organisations.id)
FROM projects JOIN organisations ON organisations.id = projects.organisation_id
WHERE jobs.lane_key = 'project:' || projects.id AND jobs.finished_at IS NULL;
