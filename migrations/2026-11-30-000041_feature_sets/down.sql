DROP TABLE feature_measurements;
DROP TABLE feature_sets;
