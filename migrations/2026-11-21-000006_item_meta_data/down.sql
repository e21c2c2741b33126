DROP INDEX tuning_jobs_split_id, tuning_jobs_evaluation_id, tuning_jobs_tuned_model_id;
DROP FUNCTION live_searches_with(bigint, bigint);
DROP TABLE item_meta_data;
