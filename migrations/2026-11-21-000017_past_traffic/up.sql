-- What can be asked of another model again: how many items a request wanted that asked for a user's list and nothing else. Null
-- where it sent interactions along, kept to some items or left some out: such wishes are not logged.
ALTER TABLE recommendation_log ADD COLUMN plain_cutoff INTEGER;

-- When the file of training data came. Nothing that happened later is in it. Of what was there before this is not known, but it
-- was not after this moment.
ALTER TABLE training_data ADD COLUMN stored_at TIMESTAMPTZ NOT NULL DEFAULT now();
