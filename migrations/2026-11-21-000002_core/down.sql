DROP TABLE task_logs, trials, tuning_jobs, trained_models, model_configurations, evaluation_configs, split_configs,
    training_data, api_keys, projects, memberships, users, organisations;
