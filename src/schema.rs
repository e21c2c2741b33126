//! The tables, as diesel sees them. The migrations in `migrations/` are the truth; this mirrors them.

use diesel::{allow_tables_to_appear_in_same_query, joinable, table};

table! {
    organisations (id) {
        id -> BigInt,
        name -> Text,
        is_personal -> Bool,
        ins_datetime -> Timestamptz,
    }
}

table! {
    users (id) {
        id -> BigInt,
        username -> Text,
        email -> Text,
        first_name -> Text,
        last_name -> Text,
        password_hash -> Text,
        is_superuser -> Bool,
        is_staff -> Bool,
        is_active -> Bool,
        token_generation -> Integer,
        date_joined -> Timestamptz,
        last_login -> Nullable<Timestamptz>,
    }
}

table! {
    memberships (organisation_id, user_id) {
        organisation_id -> BigInt,
        user_id -> BigInt,
        role -> Text,
        ins_datetime -> Timestamptz,
    }
}

table! {
    sessions (id) {
        id -> BigInt,
        user_id -> BigInt,
        generation -> Integer,
        created_at -> Timestamptz,
        last_used_at -> Timestamptz,
        expires_at -> Timestamptz,
        revoked_at -> Nullable<Timestamptz>,
        address -> Text,
        user_agent -> Text,
    }
}

table! {
    refresh_tokens (token_hash) {
        token_hash -> Binary,
        session_id -> BigInt,
        expires_at -> Timestamptz,
        replaced_at -> Nullable<Timestamptz>,
    }
}

table! {
    login_attempts (name_hash, address) {
        name_hash -> Binary,
        address -> Text,
        failures -> Integer,
        last_at -> Timestamptz,
    }
}

table! {
    password_resets (id) {
        id -> BigInt,
        user_id -> BigInt,
        token_hash -> Binary,
        expires_at -> Timestamptz,
        ins_datetime -> Timestamptz,
    }
}

table! {
    invitations (id) {
        id -> BigInt,
        organisation_id -> BigInt,
        role -> Text,
        email -> Text,
        token_hash -> Binary,
        invited_by -> BigInt,
        expires_at -> Timestamptz,
        accepted_at -> Nullable<Timestamptz>,
        accepted_by -> Nullable<BigInt>,
        ins_datetime -> Timestamptz,
    }
}

table! {
    audit_log (id) {
        id -> BigInt,
        at -> Timestamptz,
        organisation_id -> Nullable<BigInt>,
        project_id -> Nullable<BigInt>,
        user_id -> Nullable<BigInt>,
        username -> Nullable<Text>,
        api_key_id -> Nullable<BigInt>,
        address -> Text,
        request_id -> Text,
        action -> Text,
        resource -> Text,
        resource_id -> Text,
        before -> Nullable<Jsonb>,
        after -> Nullable<Jsonb>,
    }
}

table! {
    projects (id) {
        id -> BigInt,
        organisation_id -> BigInt,
        owner_id -> Nullable<BigInt>,
        name -> Text,
        user_column -> Text,
        item_column -> Text,
        time_column -> Nullable<Text>,
        ins_datetime -> Timestamptz,
        updated_at -> Timestamptz,
        event_column -> Nullable<Text>,
        event_weights -> Jsonb,
        half_life_days -> Nullable<Double>,
    }
}

table! {
    api_keys (id) {
        id -> BigInt,
        project_id -> BigInt,
        user_id -> BigInt,
        name -> Text,
        key_prefix -> Text,
        key_hash -> Binary,
        scopes -> Jsonb,
        is_active -> Bool,
        expires_at -> Nullable<Timestamptz>,
        last_used_at -> Nullable<Timestamptz>,
        ins_datetime -> Timestamptz,
    }
}

table! {
    training_data (id) {
        id -> BigInt,
        project_id -> BigInt,
        created_by -> Nullable<BigInt>,
        storage_key -> Nullable<Text>,
        basename -> Nullable<Text>,
        filesize -> Nullable<BigInt>,
        sha256 -> Nullable<Text>,
        prepared_key -> Nullable<Text>,
        status -> Text,
        error -> Nullable<Text>,
        report -> Nullable<Jsonb>,
        ins_datetime -> Timestamptz,
    }
}

table! {
    split_configs (id) {
        id -> BigInt,
        created_by -> Nullable<BigInt>,
        name -> Nullable<Text>,
        scheme -> Text,
        heldout_ratio -> Double,
        n_heldout -> Nullable<Integer>,
        test_user_ratio -> Double,
        n_test_users -> Nullable<Integer>,
        random_seed -> Integer,
        ins_datetime -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

table! {
    evaluation_configs (id) {
        id -> BigInt,
        created_by -> Nullable<BigInt>,
        name -> Nullable<Text>,
        cutoff -> Integer,
        target_metric -> Text,
        ins_datetime -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

table! {
    model_configurations (id) {
        id -> BigInt,
        project_id -> BigInt,
        name -> Nullable<Text>,
        recommender_class_name -> Text,
        parameters_json -> Jsonb,
        ins_datetime -> Timestamptz,
    }
}

table! {
    trained_models (id) {
        id -> BigInt,
        configuration_id -> BigInt,
        data_id -> BigInt,
        status -> Text,
        error -> Nullable<Text>,
        storage_key -> Nullable<Text>,
        signature -> Nullable<Text>,
        filesize -> Nullable<BigInt>,
        engine_version -> Nullable<Text>,
        lineage -> Jsonb,
        n_users -> Nullable<Integer>,
        n_items -> Nullable<Integer>,
        started_at -> Nullable<Timestamptz>,
        finished_at -> Nullable<Timestamptz>,
        ins_datetime -> Timestamptz,
    }
}

table! {
    tuning_jobs (id) {
        id -> BigInt,
        data_id -> BigInt,
        split_id -> BigInt,
        evaluation_id -> BigInt,
        created_by -> Nullable<BigInt>,
        status -> Text,
        error -> Nullable<Text>,
        n_tasks_parallel -> Integer,
        n_trials -> Integer,
        memory_budget -> Integer,
        timeout_overall -> Nullable<Integer>,
        timeout_singlestep -> Nullable<Integer>,
        random_seed -> Nullable<Integer>,
        tried_algorithms_json -> Nullable<Jsonb>,
        train_after_tuning -> Bool,
        engine_version -> Nullable<Text>,
        best_score -> Nullable<Double>,
        baseline_score -> Nullable<Double>,
        best_config_id -> Nullable<BigInt>,
        tuned_model_id -> Nullable<BigInt>,
        started_at -> Nullable<Timestamptz>,
        finished_at -> Nullable<Timestamptz>,
        ins_datetime -> Timestamptz,
        search_weights -> Bool,
    }
}

table! {
    trials (id) {
        id -> BigInt,
        tuning_job_id -> BigInt,
        number -> Integer,
        algorithm -> Text,
        parameters -> Jsonb,
        state -> Text,
        score -> Nullable<Double>,
        interval_low -> Nullable<Double>,
        interval_high -> Nullable<Double>,
        metrics -> Nullable<Jsonb>,
        intermediate -> Jsonb,
        note -> Nullable<Text>,
        run_by -> BigInt,
        started_at -> Timestamptz,
        finished_at -> Nullable<Timestamptz>,
    }
}

table! {
    task_logs (id) {
        id -> BigInt,
        job_id -> Nullable<BigInt>,
        tuning_job_id -> Nullable<BigInt>,
        trained_model_id -> Nullable<BigInt>,
        contents -> Text,
        ins_datetime -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

joinable!(memberships -> organisations (organisation_id));
joinable!(memberships -> users (user_id));
joinable!(sessions -> users (user_id));
joinable!(refresh_tokens -> sessions (session_id));
joinable!(password_resets -> users (user_id));
joinable!(invitations -> organisations (organisation_id));
joinable!(projects -> organisations (organisation_id));
joinable!(api_keys -> projects (project_id));
joinable!(api_keys -> users (user_id));
joinable!(training_data -> projects (project_id));
joinable!(model_configurations -> projects (project_id));
joinable!(trained_models -> model_configurations (configuration_id));
joinable!(trained_models -> training_data (data_id));
joinable!(tuning_jobs -> training_data (data_id));
joinable!(tuning_jobs -> split_configs (split_id));
joinable!(tuning_jobs -> evaluation_configs (evaluation_id));
joinable!(trials -> tuning_jobs (tuning_job_id));
joinable!(task_logs -> tuning_jobs (tuning_job_id));
joinable!(task_logs -> trained_models (trained_model_id));

allow_tables_to_appear_in_same_query!(
    organisations,
    users,
    memberships,
    sessions,
    refresh_tokens,
    login_attempts,
    password_resets,
    invitations,
    audit_log,
    projects,
    api_keys,
    training_data,
    split_configs,
    evaluation_configs,
    model_configurations,
    trained_models,
    tuning_jobs,
    trials,
    task_logs,
);
