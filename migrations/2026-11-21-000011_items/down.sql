DROP TRIGGER announced ON item_meta_data;
