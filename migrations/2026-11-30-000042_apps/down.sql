DROP TABLE app_usage;
DROP TABLE apps;
DROP FUNCTION announce_app_change;
