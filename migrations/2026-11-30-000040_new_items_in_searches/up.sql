-- Two more schemes hold out whole items, so that a search finds what recommends new items best.
ALTER TABLE split_configs
    DROP CONSTRAINT split_configs_scheme_check,
    ADD CONSTRAINT split_configs_scheme_check CHECK (scheme IN ('RG', 'TG', 'TU', 'CI', 'TI')),
    ADD COLUMN heldout_item_ratio DOUBLE PRECISION NOT NULL DEFAULT 0.2;
-- The score of such a trial is that of new items; here are the others.
ALTER TABLE trials ADD COLUMN beside_new_items JSONB;
-- What any recommendation of new items has to beat.
ALTER TABLE tuning_jobs ADD COLUMN cold_baselines JSONB;
