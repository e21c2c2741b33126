-- Every kind of job is its struct in snake case, a verb and what it acts on.
UPDATE jobs SET kind = 'run_retraining' WHERE kind = 'retraining.run';
UPDATE jobs SET kind = 'combine_data' WHERE kind = 'retraining.combine';
UPDATE jobs SET kind = 'judge_run' WHERE kind = 'retraining.judge';
