-- Deleting a row looks for the rows that refer to it: each of these columns would otherwise be searched from end to end.
CREATE INDEX task_logs_job_id ON task_logs (job_id) WHERE job_id IS NOT NULL;
CREATE INDEX retraining_runs_training_data_id ON retraining_runs (training_data_id);
CREATE INDEX retraining_runs_model_configuration_id ON retraining_runs (model_configuration_id);
CREATE INDEX retraining_runs_trained_model_id ON retraining_runs (trained_model_id);
CREATE INDEX retraining_runs_tuning_job_id ON retraining_runs (tuning_job_id);
CREATE INDEX retraining_runs_deployed_slot_id ON retraining_runs (deployed_slot_id);
CREATE INDEX retraining_runs_deployed_model_id ON retraining_runs (deployed_model_id);
CREATE INDEX retraining_runs_deployed_data_id ON retraining_runs (deployed_data_id);
CREATE INDEX retraining_schedules_training_data_id ON retraining_schedules (training_data_id);
CREATE INDEX retraining_schedules_model_configuration_id ON retraining_schedules (model_configuration_id);
CREATE INDEX retraining_schedules_split_config_id ON retraining_schedules (split_config_id);
CREATE INDEX retraining_schedules_evaluation_config_id ON retraining_schedules (evaluation_config_id);
CREATE INDEX slot_changes_ab_test_id ON slot_changes (ab_test_id);
CREATE INDEX slot_changes_reverts_id ON slot_changes (reverts_id);
