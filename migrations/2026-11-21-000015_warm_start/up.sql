-- Whether a training begins with what the model of the last successful run has learnt. What comes of it depends on that model.
ALTER TABLE retraining_schedules ADD COLUMN warm_start BOOLEAN NOT NULL DEFAULT FALSE;
