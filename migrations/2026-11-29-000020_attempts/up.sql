-- An address at which a link for a new password was used up is its owner's for a while: strangers who go on guessing from
-- many addresses must not keep them out.
ALTER TABLE login_attempts ADD COLUMN proven_until timestamptz;
