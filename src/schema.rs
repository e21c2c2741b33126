//! The tables, as diesel sees them. The migrations in `migrations/` are the truth; this mirrors them.

use diesel::{allow_tables_to_appear_in_same_query, joinable, table};

table! {
    organisations (id) {
        id -> BigInt,
        name -> Text,
        is_personal -> Bool,
        ins_datetime -> Timestamptz,
        founder_id -> Nullable<BigInt>,
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
        proven_until -> Nullable<Timestamptz>,
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
        unknown_user -> Text,
        logged_share -> Nullable<Double>,
        assignment_salt -> Uuid,
        new_item_share -> Double,
        title_column -> Nullable<Text>,
        image_column -> Nullable<Text>,
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
        requests_per_minute -> Nullable<Integer>,
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
        sources -> Nullable<Jsonb>,
        stored_at -> Timestamptz,
        stored_bytes -> BigInt,
        origin -> Nullable<Jsonb>,
        standing -> Text,
    }
}

table! {
    item_meta_data (id) {
        id -> BigInt,
        project_id -> BigInt,
        created_by -> Nullable<BigInt>,
        storage_key -> Nullable<Text>,
        basename -> Nullable<Text>,
        filesize -> Nullable<BigInt>,
        sha256 -> Nullable<Text>,
        prepared_key -> Nullable<Text>,
        valid_columns_list_json -> Nullable<Jsonb>,
        report -> Nullable<Jsonb>,
        ins_datetime -> Timestamptz,
        status -> Text,
        error -> Nullable<Text>,
        stored_bytes -> BigInt,
        subject -> Text,
        superseded_changes -> BigInt,
        id_column -> Nullable<Text>,
        origin -> Nullable<Jsonb>,
        standing -> Text,
    }
}

table! {
    feature_sets (id) {
        id -> BigInt,
        project_id -> BigInt,
        created_by -> Nullable<BigInt>,
        name -> Text,
        target -> Text,
        version -> Integer,
        spec -> Jsonb,
        spec_sha256 -> Text,
        is_current -> Bool,
        ins_datetime -> Timestamptz,
    }
}

table! {
    feature_measurements (id) {
        id -> BigInt,
        project_id -> BigInt,
        feature_set_id -> BigInt,
        data_id -> BigInt,
        created_by -> Nullable<BigInt>,
        algorithm -> Text,
        status -> Text,
        done -> BigInt,
        total -> Nullable<BigInt>,
        result -> Nullable<Jsonb>,
        error -> Nullable<Text>,
        ins_datetime -> Timestamptz,
        end_datetime -> Nullable<Timestamptz>,
    }
}

table! {
    destinations (id) {
        id -> BigInt,
        project_id -> BigInt,
        created_by -> Nullable<BigInt>,
        name -> Text,
        lists -> Text,
        model_id -> Nullable<BigInt>,
        slot_id -> Nullable<BigInt>,
        cutoff -> Integer,
        exclude_seen -> Bool,
        diversity -> Double,
        format -> Text,
        cron_expression -> Nullable<Text>,
        time_zone -> Text,
        is_enabled -> Bool,
        next_run_at -> Nullable<Timestamptz>,
        ins_datetime -> Timestamptz,
        updated_at -> Timestamptz,
        after_retraining -> Bool,
        connection_id -> Nullable<BigInt>,
        target -> Nullable<Jsonb>,
    }
}

table! {
    deliveries (id) {
        id -> BigInt,
        project_id -> BigInt,
        destination_id -> BigInt,
        cause -> Text,
        triggered_by -> Nullable<BigInt>,
        state -> Text,
        lists -> Text,
        cutoff -> Integer,
        exclude_seen -> Bool,
        diversity -> Double,
        format -> Text,
        trained_model_id -> Nullable<BigInt>,
        items_key -> Nullable<Text>,
        done -> BigInt,
        total -> Nullable<BigInt>,
        part_lists -> BigInt,
        row_count -> Nullable<BigInt>,
        bytes -> Nullable<BigInt>,
        storage_key -> Nullable<Text>,
        error -> Nullable<Text>,
        ins_datetime -> Timestamptz,
        started_at -> Nullable<Timestamptz>,
        finished_at -> Nullable<Timestamptz>,
        retraining_run_id -> Nullable<BigInt>,
        connection_id -> Nullable<BigInt>,
        target -> Nullable<Jsonb>,
        stage -> Text,
        sent -> BigInt,
        to_send -> Nullable<BigInt>,
    }
}

table! {
    item_changes (project_id, item_id) {
        project_id -> BigInt,
        item_id -> Text,
        cells -> Nullable<Json>,
        bytes -> BigInt,
        changed_at -> Timestamptz,
        sequence -> BigInt,
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
        organisation_id -> BigInt,
        project_id -> Nullable<BigInt>,
        heldout_item_ratio -> Double,
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
        organisation_id -> BigInt,
        project_id -> Nullable<BigInt>,
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
        failed_tasks -> Array<BigInt>,
        cold_baselines -> Nullable<Jsonb>,
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
        lost_workers -> Integer,
        lost_before -> Integer,
        beside_new_items -> Nullable<Jsonb>,
    }
}

table! {
    deployment_slots (id) {
        id -> BigInt,
        project_id -> BigInt,
        name -> Text,
        trained_model_id -> BigInt,
        weight -> Double,
        is_active -> Bool,
        is_shadow -> Bool,
        ins_datetime -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

table! {
    ab_tests (id) {
        id -> BigInt,
        project_id -> BigInt,
        name -> Text,
        status -> Text,
        control_slot_id -> BigInt,
        variant_slot_id -> BigInt,
        target_metric_name -> Text,
        min_sample_size -> Integer,
        confidence_level -> Double,
        control_weight -> Nullable<Double>,
        variant_weight -> Nullable<Double>,
        started_at -> Nullable<Timestamptz>,
        ended_at -> Nullable<Timestamptz>,
        winner_slot_id -> Nullable<BigInt>,
        ins_datetime -> Timestamptz,
        updated_at -> Timestamptz,
        kept_counts -> Nullable<Jsonb>,
        significant_at -> Nullable<Timestamptz>,
    }
}

table! {
    slot_changes (id) {
        id -> BigInt,
        project_id -> BigInt,
        action -> Text,
        before -> Jsonb,
        after -> Jsonb,
        ab_test_id -> Nullable<BigInt>,
        reverts_id -> Nullable<BigInt>,
        changed_by -> Nullable<BigInt>,
        ins_datetime -> Timestamptz,
    }
}

table! {
    conversion_events (id) {
        id -> BigInt,
        project_id -> BigInt,
        deployment_slot_id -> BigInt,
        user_id -> Text,
        item_id -> Text,
        event_type -> Text,
        recommendation_request_id -> Nullable<Uuid>,
        client_event_id -> Nullable<Text>,
        timestamp -> Timestamptz,
        metadata_json -> Jsonb,
    }
}

table! {
    event_daily_counts (deployment_slot_id, day, event_type) {
        project_id -> BigInt,
        deployment_slot_id -> BigInt,
        day -> Date,
        event_type -> Text,
        events -> BigInt,
    }
}

table! {
    conversion_event_keys (project_id, client_event_id) {
        project_id -> BigInt,
        client_event_id -> Text,
        deployment_slot_id -> BigInt,
        event_id -> BigInt,
        timestamp -> Timestamptz,
    }
}

table! {
    retraining_schedules (id) {
        id -> BigInt,
        project_id -> BigInt,
        created_by -> Nullable<BigInt>,
        is_enabled -> Bool,
        cron_expression -> Text,
        time_zone -> Text,
        training_data_id -> Nullable<BigInt>,
        model_configuration_id -> Nullable<BigInt>,
        retune -> Bool,
        split_config_id -> Nullable<BigInt>,
        evaluation_config_id -> Nullable<BigInt>,
        max_retries -> Integer,
        notify_on_failure -> Bool,
        auto_deploy -> Bool,
        gate_tolerance -> Nullable<Double>,
        catch_up -> Text,
        skip_unchanged -> Bool,
        warm_start -> Bool,
        last_run_at -> Nullable<Timestamptz>,
        last_run_status -> Nullable<Text>,
        next_run_at -> Nullable<Timestamptz>,
        ins_datetime -> Timestamptz,
        updated_at -> Timestamptz,
        data_source -> Text,
        event_types -> Jsonb,
    }
}

table! {
    retraining_runs (id) {
        id -> BigInt,
        schedule_id -> BigInt,
        status -> Text,
        cause -> Text,
        triggered_by -> Nullable<BigInt>,
        scheduled_for -> Nullable<Timestamptz>,
        attempt -> Integer,
        training_data_id -> Nullable<BigInt>,
        data_sha256 -> Nullable<Text>,
        data_rows_at_trigger -> Nullable<BigInt>,
        model_configuration_id -> Nullable<BigInt>,
        trained_model_id -> Nullable<BigInt>,
        tuning_job_id -> Nullable<BigInt>,
        deployed_slot_id -> Nullable<BigInt>,
        gate_metric -> Nullable<Text>,
        new_score -> Nullable<Double>,
        deployed_score -> Nullable<Double>,
        deployed_model_id -> Nullable<BigInt>,
        was_warm_start -> Bool,
        error_message -> Text,
        ins_datetime -> Timestamptz,
        started_at -> Nullable<Timestamptz>,
        completed_at -> Nullable<Timestamptz>,
        deployed_data_id -> Nullable<BigInt>,
        project_id -> BigInt,
    }
}

table! {
    recommendation_log (request_id, deployment_slot_id, timestamp) {
        request_id -> Uuid,
        project_id -> BigInt,
        deployment_slot_id -> BigInt,
        trained_model_id -> BigInt,
        is_shadow -> Bool,
        user_id -> Nullable<Text>,
        items -> Array<Text>,
        strategy -> Nullable<Text>,
        propensity -> Nullable<Double>,
        item_propensities -> Nullable<Array<Double>>,
        timestamp -> Timestamptz,
        plain_cutoff -> Nullable<Integer>,
    }
}

table! {
    data_connections (id) {
        id -> BigInt,
        organisation_id -> BigInt,
        created_by -> Nullable<BigInt>,
        name -> Text,
        kind -> Text,
        settings -> Jsonb,
        secret_sealed -> Nullable<Binary>,
        secret_changed_at -> Nullable<Timestamptz>,
        last_test_at -> Nullable<Timestamptz>,
        last_test -> Nullable<Jsonb>,
        ins_datetime -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

table! {
    data_sources (id) {
        id -> BigInt,
        project_id -> BigInt,
        connection_id -> BigInt,
        created_by -> Nullable<BigInt>,
        name -> Text,
        target -> Text,
        query -> Jsonb,
        mode -> Text,
        cursor_column -> Nullable<Text>,
        cursor_kind -> Text,
        settle_seconds -> Integer,
        null_cursor -> Text,
        guards -> Jsonb,
        cron_expression -> Nullable<Text>,
        time_zone -> Text,
        is_enabled -> Bool,
        follow_up -> Text,
        retraining_schedule_id -> Nullable<BigInt>,
        position -> Nullable<BigInt>,
        next_run_at -> Nullable<Timestamptz>,
        ins_datetime -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

table! {
    source_runs (id) {
        id -> BigInt,
        data_source_id -> BigInt,
        project_id -> BigInt,
        cause -> Text,
        state -> Text,
        triggered_by -> Nullable<BigInt>,
        scheduled_for -> Nullable<Timestamptz>,
        cursor_kind -> Text,
        window_lo -> Nullable<BigInt>,
        window_hi -> Nullable<BigInt>,
        rows_read -> BigInt,
        rows_kept -> BigInt,
        rows_rejected -> BigInt,
        null_cursors -> BigInt,
        bytes -> BigInt,
        stages -> Jsonb,
        report -> Nullable<Jsonb>,
        problems -> Jsonb,
        training_data_id -> Nullable<BigInt>,
        item_meta_data_id -> Nullable<BigInt>,
        retraining_run_id -> Nullable<BigInt>,
        error_code -> Nullable<Text>,
        error -> Nullable<Text>,
        attempt -> Integer,
        ins_datetime -> Timestamptz,
        started_at -> Nullable<Timestamptz>,
        finished_at -> Nullable<Timestamptz>,
    }
}

table! {
    source_files (id) {
        id -> BigInt,
        data_source_id -> BigInt,
        run_id -> BigInt,
        project_id -> BigInt,
        key -> Text,
        size -> Nullable<BigInt>,
        version -> Text,
        is_current -> Bool,
        ins_datetime -> Timestamptz,
    }
}

table! {
    studio_runs (id) {
        id -> BigInt,
        project_id -> BigInt,
        created_by -> Nullable<BigInt>,
        name -> Text,
        goal -> Text,
        budget_seconds -> Integer,
        mapping -> Jsonb,
        state -> Text,
        stage -> Text,
        stages -> Jsonb,
        warnings -> Jsonb,
        error -> Nullable<Text>,
        training_data_id -> Nullable<BigInt>,
        item_meta_data_id -> Nullable<BigInt>,
        user_meta_data_id -> Nullable<BigInt>,
        tuning_job_id -> Nullable<BigInt>,
        trained_model_id -> Nullable<BigInt>,
        slot_id -> Nullable<BigInt>,
        demo_key_id -> Nullable<BigInt>,
        result -> Nullable<Jsonb>,
        ins_datetime -> Timestamptz,
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
        project_id -> Nullable<BigInt>,
    }
}

table! {
    apps (id) {
        id -> BigInt,
        project_id -> BigInt,
        api_key_id -> Nullable<BigInt>,
        name -> Text,
        allowed_origins -> Array<Text>,
        is_active -> Bool,
        ins_datetime -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

table! {
    app_usage (app_id, day) {
        app_id -> BigInt,
        day -> Date,
        requests -> BigInt,
        items -> BigInt,
        errors -> BigInt,
    }
}

table! {
    webhook_endpoints (id) {
        id -> BigInt,
        project_id -> BigInt,
        app_id -> Nullable<BigInt>,
        url -> Text,
        description -> Text,
        topics -> Array<Text>,
        rate_per_second -> Nullable<Integer>,
        is_active -> Bool,
        disabled_reason -> Nullable<Text>,
        disabled_at -> Nullable<Timestamptz>,
        secret_sealed -> Binary,
        secret_hint -> Text,
        secret_changed_at -> Timestamptz,
        previous_secret_sealed -> Nullable<Binary>,
        previous_until -> Nullable<Timestamptz>,
        ins_datetime -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

table! {
    webhook_lanes (endpoint_id) {
        endpoint_id -> BigInt,
        leased_by -> Nullable<Text>,
        leased_until -> Nullable<Timestamptz>,
        paused_until -> Nullable<Timestamptz>,
        failures_in_row -> Integer,
        failing_since -> Nullable<Timestamptz>,
        failed_messages -> BigInt,
        last_attempt_at -> Nullable<Timestamptz>,
        last_status_code -> Nullable<Integer>,
        last_error_code -> Nullable<Text>,
    }
}

table! {
    webhook_messages (id) {
        id -> Uuid,
        endpoint_id -> BigInt,
        topic -> Text,
        body -> Text,
        state -> Text,
        attempts -> Integer,
        step -> Integer,
        due_at -> Timestamptz,
        status_code -> Nullable<Integer>,
        error_code -> Nullable<Text>,
        ins_datetime -> Timestamptz,
    }
}

table! {
    webhook_attempts (message_id, number) {
        message_id -> Uuid,
        number -> Integer,
        endpoint_id -> BigInt,
        at -> Timestamptz,
        status_code -> Nullable<Integer>,
        error_code -> Nullable<Text>,
        duration_ms -> Integer,
        response_head -> Text,
    }
}

table! {
    notifications (id) {
        id -> BigInt,
        project_id -> BigInt,
        topic -> Text,
        data -> Jsonb,
        link_path -> Nullable<Text>,
        occurred_at -> Timestamptz,
    }
}

table! {
    notification_reads (user_id) {
        user_id -> BigInt,
        read_until -> BigInt,
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
joinable!(item_meta_data -> projects (project_id));
joinable!(feature_sets -> projects (project_id));
joinable!(feature_measurements -> projects (project_id));
joinable!(destinations -> projects (project_id));
joinable!(deliveries -> projects (project_id));
joinable!(deliveries -> destinations (destination_id));
joinable!(item_changes -> projects (project_id));
joinable!(model_configurations -> projects (project_id));
joinable!(trained_models -> model_configurations (configuration_id));
joinable!(trained_models -> training_data (data_id));
joinable!(tuning_jobs -> training_data (data_id));
joinable!(tuning_jobs -> split_configs (split_id));
joinable!(tuning_jobs -> evaluation_configs (evaluation_id));
joinable!(trials -> tuning_jobs (tuning_job_id));
joinable!(task_logs -> tuning_jobs (tuning_job_id));
joinable!(task_logs -> trained_models (trained_model_id));
joinable!(deployment_slots -> projects (project_id));
joinable!(deployment_slots -> trained_models (trained_model_id));
joinable!(ab_tests -> projects (project_id));
joinable!(slot_changes -> projects (project_id));
joinable!(conversion_events -> projects (project_id));
joinable!(retraining_schedules -> projects (project_id));
joinable!(retraining_runs -> projects (project_id));
joinable!(data_sources -> projects (project_id));
joinable!(data_sources -> data_connections (connection_id));
joinable!(source_runs -> projects (project_id));
joinable!(source_runs -> data_sources (data_source_id));
joinable!(source_files -> source_runs (run_id));
joinable!(studio_runs -> projects (project_id));
joinable!(apps -> projects (project_id));
joinable!(apps -> api_keys (api_key_id));
joinable!(app_usage -> apps (app_id));
joinable!(webhook_endpoints -> projects (project_id));
joinable!(webhook_lanes -> webhook_endpoints (endpoint_id));
joinable!(webhook_messages -> webhook_endpoints (endpoint_id));
joinable!(webhook_attempts -> webhook_messages (message_id));
joinable!(notifications -> projects (project_id));

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
    item_meta_data,
    feature_sets,
    feature_measurements,
    destinations,
    deliveries,
    item_changes,
    split_configs,
    evaluation_configs,
    model_configurations,
    trained_models,
    tuning_jobs,
    trials,
    deployment_slots,
    ab_tests,
    slot_changes,
    conversion_events,
    conversion_event_keys,
    event_daily_counts,
    recommendation_log,
    retraining_schedules,
    retraining_runs,
    data_connections,
    data_sources,
    source_runs,
    source_files,
    studio_runs,
    task_logs,
    apps,
    app_usage,
    webhook_endpoints,
    webhook_lanes,
    webhook_messages,
    webhook_attempts,
    notifications,
    notification_reads,
);
