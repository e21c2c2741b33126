-- Those who answer traffic keep in memory what a project knows about its items, and hear here when that is no longer so.
CREATE TRIGGER announced AFTER INSERT OR DELETE OR UPDATE OF prepared_key ON item_meta_data
    FOR EACH ROW EXECUTE FUNCTION announce_serving_change();
