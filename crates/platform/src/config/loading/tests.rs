use std::time::Duration;

use secrecy::ExposeSecret;

use super::*;
use crate::config::Rate;

fn load(file: &str, variables: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
    let known = known().unwrap();
    let variables: Vec<(String, String)> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    put_together(&SettingsFile::parse(Path::new("config.toml"), file.to_owned(), &known)?, &variables, &known)
}

fn refusal(file: &str, variables: &[(&str, &str)]) -> String {
    load(file, variables).expect_err("it must be refused").to_string()
}

#[test]
fn the_example_shows_the_defaults() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../config.example.toml");
    let example = load(&std::fs::read_to_string(path).unwrap(), &[]).unwrap().settings;
    assert_eq!(serde_json::to_value(example).unwrap(), serde_json::to_value(Settings::default()).unwrap());
}

#[test]
fn what_kubernetes_and_docker_inject_is_passed_over_and_what_looks_like_a_mistake_is_warned_about() {
    let injected = [
        ("RECOTEM_SERVICE_HOST", "10.0.0.1"),
        ("RECOTEM_SERVICE_PORT", "8000"),
        ("RECOTEM_SERVICE_PORT_HTTP", "8000"),
        ("RECOTEM_PORT", "tcp://10.0.0.1:8000"),
        ("RECOTEM_PORT_8000_TCP", "tcp://10.0.0.1:8000"),
        ("RECOTEM_PORT_8000_TCP_PROTO", "tcp"),
        ("RECOTEM_PORT_8000_TCP_PORT", "8000"),
        ("RECOTEM_PORT_8000_TCP_ADDR", "10.0.0.1"),
        ("RECOTEM_API_SERVICE_HOST", "10.0.0.2"),
        ("RECOTEM_API_PORT_53_UDP", "udp://10.0.0.2:53"),
        ("RECOTEM_NAME", "/web/recotem"),
        ("RECOTEM_ENV_SECRET_KEY", "of the linked container"),
        ("RECOTEM_DB_ENV_POSTGRES_PASSWORD", "x"),
    ];
    for variable in injected {
        assert_eq!(load("", &[variable]).unwrap().warnings, Vec::<String>::new(), "{variable:?}");
    }
    for passed_over in [("RECOTEM_CONFIG", "x.toml"), ("RECOTEM_TEST_NOW", "x"), ("PATH", "/bin"), ("RECOTEM_BINDD", "")] {
        assert_eq!(load("", &[passed_over]).unwrap().warnings.len(), 0, "{passed_over:?}");
    }
    let mistakes = [
        (("RECOTEM_WORKER_CONCURENCY", "4"), "Did you mean RECOTEM_WORKER_CONCURRENCY?"),
        (("RECOTEM_THROTTLE__LOGN", "4/min"), "Did you mean RECOTEM_THROTTLE__LOGIN?"),
        (("RECOTEM_PORT", "8000"), "RECOTEM_PORT is not a setting and has no effect."),
        (("RECOTEM_COLOUR_OF_THE_SKY", "blue"), "RECOTEM_COLOUR_OF_THE_SKY is not a setting and has no effect."),
    ];
    for (variable, told) in mistakes {
        let warnings = load("", &[variable]).unwrap().warnings;
        assert!(warnings.len() == 1 && warnings[0].ends_with(told), "{variable:?}: {warnings:?}");
    }
}

#[test]
fn variables_are_read_as_the_kind_of_their_setting() {
    let variables = [
        ("RECOTEM_BIND", "0.0.0.0:80"),
        ("RECOTEM_WORKER_CONCURRENCY", "7"),
        ("RECOTEM_SELF_SIGN_UP", "yes"),
        ("RECOTEM_THROTTLE__LOGIN", "9/sec"),
        ("RECOTEM_SECRET_KEY", "12345678901234567890123456789012"),
        ("RECOTEM_PREVIOUS_SECRET_KEYS", r#"["a, b", "c"]"#),
        ("RECOTEM_TRUSTED_PROXIES", "10.0.0.0/8, ::1"),
        ("RECOTEM_MAX_UPLOAD_BYTES", ""),
        ("JWT_AUTH_SECURE", "True"),
        ("LOG_LEVEL", "WARNING"),
        ("ALLOWED_HOSTS", "a.example.com, b.example.com"),
        ("SECRET_KEY", "the one of 1.x, which the other overrules"),
    ];
    let settings = load("bind = \"127.0.0.1:1\"\nworker_concurrency = 3", &variables).unwrap().settings;
    assert_eq!((settings.bind.as_str(), settings.worker_concurrency), ("0.0.0.0:80", 7));
    assert!(settings.self_sign_up && settings.jwt_auth_secure);
    assert_eq!(settings.throttle.login, Rate { requests: 9, window: Duration::from_secs(1) });
    assert_eq!(settings.secret_key.unwrap().expose_secret(), "12345678901234567890123456789012");
    let previous: Vec<&str> = settings.previous_secret_keys.iter().map(ExposeSecret::expose_secret).collect();
    assert_eq!(previous, ["a, b", "c"]);
    assert_eq!(settings.trusted_proxies.len(), 2);
    assert_eq!(settings.max_upload_bytes, Settings::default().max_upload_bytes);
    assert_eq!(settings.log_level, "warn");
    assert_eq!(settings.allowed_hosts, ["a.example.com", "b.example.com"]);
}

#[test]
fn a_bad_value_is_refused_with_its_variable_its_value_and_what_is_allowed() {
    let table = [
        (("RECOTEM_WORKER_CONCURRENCY", "many"), ["RECOTEM_WORKER_CONCURRENCY", "\"many\"", "a whole number of 0 or more"]),
        (("RECOTEM_EVENT_RETENTION_DAYS", "-1"), ["RECOTEM_EVENT_RETENTION_DAYS", "\"-1\"", "from 0 to 4294967295"]),
        (("ACCESS_TOKEN_LIFETIME", "0"), ["ACCESS_TOKEN_LIFETIME", "is 0", "1 or more"]),
        (("JWT_AUTH_SECURE", "perhaps"), ["JWT_AUTH_SECURE", "\"perhaps\"", "true or false"]),
        (("THROTTLE_LOGIN_RATE", "often"), ["THROTTLE_LOGIN_RATE", "\"often\"", "100/min"]),
        (("RECOTEM_TRUSTED_PROXIES", "proxy"), ["RECOTEM_TRUSTED_PROXIES", "\"proxy\"", "10.0.0.0/8"]),
        (("RECOTEM_LOG_FORMAT", "xml"), ["RECOTEM_LOG_FORMAT", "\"xml\"", "text or json"]),
        (("LOG_LEVEL", "LOUD"), ["LOG_LEVEL", "\"LOUD\"", "debug"]),
        (("RECOTEM_PUBLIC_URL", "recotem.example.com"), ["RECOTEM_PUBLIC_URL", "\"recotem.example.com\"", "https://"]),
    ];
    for (variable, told) in table {
        let refusal = refusal("", &[variable]);
        assert!(told.iter().all(|part| refusal.contains(part)), "{variable:?}: {refusal}");
    }
}

#[test]
fn the_value_of_a_secret_is_not_shown_when_it_is_refused() {
    for variable in [("DATABASE_URL", "mysql://me:hush@db/x"), ("RECOTEM_SMTP_URL", "http://me:hush@mail")] {
        let refusal = refusal("", &[variable]);
        assert!(refusal.contains(variable.0) && !refusal.contains("hush"), "{refusal}");
    }
    let in_file = refusal("secret_key = 1234567", &[]);
    assert!(in_file.contains("line 1") && !in_file.contains("1234567"), "{in_file}");
}

#[test]
fn storage_of_1x_is_local_or_refused_in_words() {
    for local in ["", "local", "LOCAL", "file"] {
        assert_eq!(load("", &[("RECOTEM_STORAGE_TYPE", local), ("AWS_ACCESS_KEY_ID", "x")]).unwrap().warnings.len(), 0);
    }
    let refusal = refusal("", &[("RECOTEM_STORAGE_TYPE", "S3"), ("AWS_STORAGE_BUCKET_NAME", "models")]);
    assert!(refusal.contains("object storage is not available yet") && refusal.contains("data_dir"), "{refusal}");
}

#[test]
fn every_fault_of_the_file_is_named_once_with_its_line() {
    let file = "bind = \"127.0.0.1:8000\"\nworker_concurency = 2\nself_sign_up = \"yes\"\n[throttle]\n\nlogn = \"5/min\"\n[thrttle]\nuser = \"1/min\"\n";
    let refusal = refusal(file, &[]);
    let expected = [
        "config.toml, line 2: worker_concurency is not a setting. Did you mean worker_concurrency?",
        "config.toml, line 3: self_sign_up is \"yes\", and takes true or false.",
        "config.toml, line 6: throttle.logn is not a setting. Did you mean throttle.login?",
        "config.toml, line 7: thrttle is not a setting.",
    ];
    for told in expected {
        assert_eq!(refusal.matches(told).count(), 1, "{told}\n{refusal}");
    }
    assert_eq!(refusal.lines().count(), 4, "{refusal}");
    let rate = self::refusal("[throttle]\nlogin = \"often\"", &[]);
    assert!(rate.starts_with("config.toml, line 2: throttle.login: \"often\" is not a rate."), "{rate}");
    assert!(self::refusal("bind = ", &[]).contains("line 1"));
}

#[test]
fn a_refusal_is_printed_once_however_it_is_printed() {
    let error = anyhow::Error::from(load("nonsense = 1", &[]).unwrap_err());
    assert_eq!(format!("{error:#}").matches("nonsense").count(), 1, "{error:#}");
}

#[test]
fn settings_show_no_secret_whichever_way_they_are_written() {
    let variables = [
        ("SECRET_KEY", "hush-1"),
        ("RECOTEM_PREVIOUS_SECRET_KEYS", "hush-2"),
        ("DEFAULT_ADMIN_PASSWORD", "hush-3"),
        ("RECOTEM_SMTP_URL", "smtp://me:hush-4@mail"),
        ("DATABASE_URL", "postgres://me:hush-5@db/x"),
    ];
    let settings = load("", &variables).unwrap().settings;
    let written = format!("{settings:?} {settings:#?} {}", serde_json::to_string(&settings).unwrap());
    assert!(!written.contains("hush"), "{written}");
    assert_eq!(settings.database_url.unwrap().expose_secret(), "postgres://me:hush-5@db/x");
}
