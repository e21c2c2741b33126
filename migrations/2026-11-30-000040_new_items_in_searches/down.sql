ALTER TABLE tuning_jobs DROP COLUMN cold_baselines;
ALTER TABLE trials DROP COLUMN beside_new_items;
UPDATE split_configs SET scheme = 'RG' WHERE scheme = 'CI';
UPDATE split_configs SET scheme = 'TG' WHERE scheme = 'TI';
ALTER TABLE split_configs
    DROP COLUMN heldout_item_ratio,
    DROP CONSTRAINT split_configs_scheme_check,
    ADD CONSTRAINT split_configs_scheme_check CHECK (scheme IN ('RG', 'TG', 'TU'));
