UPDATE jobs SET kind = 'retraining.judge' WHERE kind = 'judge_run';
UPDATE jobs SET kind = 'retraining.combine' WHERE kind = 'combine_data';
UPDATE jobs SET kind = 'retraining.run' WHERE kind = 'run_retraining';
