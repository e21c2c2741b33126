-- Large uploads of item metadata are prepared by a job. Until it has ended, and if it fails, what was prepared before stays in use.
ALTER TABLE item_meta_data
    ADD COLUMN status TEXT NOT NULL DEFAULT 'ready' CHECK (status IN ('preparing', 'ready', 'failed')),
    ADD COLUMN error TEXT;
