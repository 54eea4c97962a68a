use std::{collections::HashMap, ffi::OsString, fs, os::unix::fs::PermissionsExt};

use secrecy::ExposeSecret;
use tempfile::TempDir;
use zeroize::Zeroizing;

use super::*;

const EXAMPLE: &str = include_str!("../../../examples/countersign.toml");
const KEY_TEXT: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// A folder with a good key and certificate.
struct Site {
    dir: TempDir,
}

impl Site {
    fn new() -> Self {
        let site = Self {
            dir: TempDir::new().expect("a temp dir"),
        };
        site.write("kek", &format!("{KEY_TEXT}\n"), 0o600);
        site.write("tls.crt", "-----BEGIN CERTIFICATE-----\n", 0o644);
        site.write("tls.key", "-----BEGIN PRIVATE KEY-----\n", 0o600);
        site
    }

    fn write(&self, name: &str, text: &str, mode: u32) {
        let path = self.dir.path().join(name);
        fs::write(&path, text).expect("the file is written");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("the mode is set");
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    /// The least that `serve` needs, before `more`.
    fn file(&self, more: &str) -> String {
        format!(
            "{more}\nkey_encryption.key_file = \"{}\"\n",
            self.path("kek")
        )
    }

    fn load(&self, more: &str) -> Result<Config, ConfigErrors> {
        load(&self.file(more), &[], &Overrides::default())
    }
}

fn load(
    file: &str,
    environment: &[(&str, &str)],
    overrides: &Overrides,
) -> Result<Config, ConfigErrors> {
    Config::resolve(source(file, environment, overrides))
}

fn source(file: &str, environment: &[(&str, &str)], overrides: &Overrides) -> Source {
    let environment: HashMap<&str, &str> = environment.iter().copied().collect();
    let mut source = Source::default();
    source.add_file(file);
    source.add_environment(|name| environment.get(name).map(OsString::from));
    source.refuse_unknown_variables(environment.keys().map(OsString::from));
    source.override_with(overrides);
    source
}

/// The only problem with a configuration.
fn problem(result: Result<Config, ConfigErrors>) -> ConfigError {
    let ConfigErrors(mut errors) = result.expect_err("the configuration is refused");
    assert_eq!(errors.len(), 1, "{errors:?}");
    errors.remove(0)
}

#[test]
fn the_least_configuration_has_the_documented_defaults() {
    let config = Site::new().load("").unwrap();
    assert_eq!(config.listen, DEFAULT_LISTEN);
    assert_eq!(config.data_dir, Path::new(DEFAULT_DATA_DIR));
    assert_eq!(config.limits, Limits::DEFAULT);
    assert_eq!(config.log, Log::default());
    assert!(config.tls.is_none() && !config.reflection && config.warnings.is_empty());
    assert!(!config.open);
    assert_eq!(
        hex::encode(config.key_encryption_key.expose_secret()),
        KEY_TEXT
    );
}

#[test]
fn the_example_names_every_key_and_shows_the_defaults() {
    // What has no default stands there as a comment.
    let example = EXAMPLE.replace("# certificate =", "certificate =");
    let example = example.replace("# private_key =", "private_key =");
    let example = example.replace("# previous_key_file =", "previous_key_file =");
    let example = example.replace("# client_", "client_");
    let mut source = source(&example, &[], &Overrides::default());
    for key in KEYS {
        assert!(source.text(key).is_some(), "the example lacks {key}");
    }
    assert_eq!(
        source.address("listen", ([0, 0, 0, 0], 1).into()),
        DEFAULT_LISTEN
    );
    assert_eq!(source.text("data_dir").as_deref(), Some(DEFAULT_DATA_DIR));
    assert_eq!(Limits::read(&mut source), Limits::DEFAULT);
    assert_eq!(Log::read(&mut source), Log::default());
    assert!(!source.switch("reflection", true));
    assert_eq!(source.origins("allowed_origins"), [] as [&str; 0]);
    assert_eq!(source.into_errors(), []);
}

#[test]
fn flags_beat_the_environment_and_that_beats_the_file() {
    let site = Site::new();
    let file = site.file("listen = \"127.0.0.1:1\"\ndata_dir = \"/file\"\nlimits.max_headers = 5");
    let environment = [
        ("COUNTERSIGN_LISTEN", "127.0.0.1:2"),
        ("COUNTERSIGN_DATA_DIR", "/environment"),
    ];
    let overrides = Overrides {
        listen: Some("127.0.0.1:3".to_owned()),
        ..Overrides::default()
    };
    let config = load(&file, &environment, &overrides).unwrap();
    assert_eq!(config.listen.port(), 3);
    assert_eq!(config.data_dir, Path::new("/environment"));
    assert_eq!(config.limits.max_headers, 5);
}

#[test]
fn every_problem_is_reported_at_once() {
    let file = "listen = \"somewhere\"\nmax_headers = 3\nreflection = \"maybe\"\n[limits]\nmax_headers = 0\ndrain = 5";
    let ConfigErrors(errors) = load(file, &[], &Overrides::default()).unwrap_err();
    let keys: Vec<_> = errors.iter().map(|error| error.key.as_str()).collect();
    let expected = [
        "max_headers",
        "listen",
        "limits.max_headers",
        "limits.drain",
        "reflection",
        "key_encryption.key_file",
    ];
    assert_eq!(keys, expected);
}

#[test]
fn a_problem_says_which_variable_it_came_from() {
    let site = Site::new();
    let environment = [("COUNTERSIGN_LIMITS_MAX_HEADERS", "many")];
    let error = problem(load(&site.file(""), &environment, &Overrides::default()));
    assert_eq!(
        error.key,
        "limits.max_headers (from COUNTERSIGN_LIMITS_MAX_HEADERS)"
    );
}

#[test]
fn a_file_that_is_not_toml_is_the_only_problem_and_not_quoted() {
    let file = "a = 1\nkey = hunter2hunter2\n";
    let error = problem(load(file, &[], &Overrides::default()));
    assert_eq!(error.key, "line 2");
    assert!(!error.to_string().contains("hunter2"));
}

#[test]
fn a_listener_beyond_loopback_needs_tls() {
    let site = Site::new();
    assert_eq!(
        problem(site.load("listen = \"0.0.0.0:50051\"")).key,
        "listen"
    );
}

#[test]
fn tls_files_must_be_more_than_named_as_pem() {
    let site = Site::new();
    let hollow = format!(
        "tls.certificate = \"{}\"\ntls.private_key = \"{}\"",
        site.path("tls.crt"),
        site.path("tls.key")
    );
    let error = problem(site.load(&hollow));
    assert_eq!(error.key, "tls.certificate");
}

#[test]
fn a_log_level_is_one_of_six_or_a_filter_whose_directives_name_one() {
    let site = Site::new();
    for level in [
        "off",
        "INFO",
        "info,h2=off",
        "warn,countersign_server=debug",
    ] {
        let config = site.load(&format!("log.level = \"{level}\""));
        assert_eq!(config.unwrap().log.level, level);
    }
    for level in ["", "bogus", "inof", "info,bogus", "info,", "h2=bogus"] {
        let error = problem(site.load(&format!("log.level = \"{level}\"")));
        assert_eq!(error.key, "log.level", "{level:?}");
    }
}

#[test]
fn a_misspelt_variable_is_refused_and_those_of_others_are_not() {
    let site = Site::new();
    let set = |name| load(&site.file(""), &[(name, "x")], &Overrides::default());
    for name in ["COUNTERSIGN_LISTN", "COUNTERSIGN_LIMITS_MAX_HEADER"] {
        let error = problem(set(name));
        assert_eq!(error.key, name);
        assert_eq!(error.problem, "is not a known variable");
    }
    for name in [
        "COUNTERSIGN_SERVER",
        "COUNTERSIGN_TOKEN",
        "COUNTERSIGN_BIN",
        "COUNTERSIGN_CRASH_CYCLES",
        "COUNTERSIGN_SERVICE_HOST",
        "COUNTERSIGN_PORT_50051_TCP_ADDR",
        "PATH",
    ] {
        assert!(set(name).is_ok(), "{name}");
    }
}

#[test]
fn half_a_tls_configuration_is_refused() {
    let site = Site::new();
    let certificate = format!("tls.certificate = \"{}\"", site.path("tls.crt"));
    assert_eq!(problem(site.load(&certificate)).key, "tls.private_key");
    let private_key = format!("tls.private_key = \"{}\"", site.path("tls.key"));
    assert_eq!(problem(site.load(&private_key)).key, "tls.certificate");
}

#[test]
fn tls_files_must_hold_what_they_are_named_for() {
    let site = Site::new();
    let swapped = format!(
        "tls.certificate = \"{}\"\ntls.private_key = \"{}\"",
        site.path("tls.key"),
        site.path("kek")
    );
    let ConfigErrors(errors) = site.load(&swapped).unwrap_err();
    assert_eq!(errors.len(), 2, "{errors:?}");
}

#[test]
fn files_that_others_can_read_are_refused_with_the_command_to_run() {
    let name = "kek";
    let site = Site::new();
    let path = site.dir.path().join(name);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let error = problem(site.load(""));
    assert!(
        error
            .remedy
            .contains(&format!("chmod 600 {}", path.display())),
        "{error}"
    );
    assert!(error.problem.contains("0640"), "{error}");
}

#[test]
fn a_link_to_a_key_is_refused() {
    let name = "kek";
    let site = Site::new();
    let path = site.dir.path().join(name);
    fs::rename(&path, site.dir.path().join("real")).unwrap();
    std::os::unix::fs::symlink(site.dir.path().join("real"), &path).unwrap();
    assert_eq!(problem(site.load("")).problem, "is a symlink");
}

#[test]
fn a_pipe_is_no_file_and_its_writer_is_not_waited_for() {
    for name in ["kek", "tls.key", "tls.crt"] {
        let site = Site::new();
        let (path, mode) = (site.dir.path().join(name), rustix::fs::Mode::RUSR);
        fs::remove_file(&path).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, mode).unwrap();
        let tls = format!(
            "tls.certificate = \"{}\"\ntls.private_key = \"{}\"",
            site.path("tls.crt"),
            site.path("tls.key")
        );
        let ConfigErrors(errors) = site.load(&tls).unwrap_err();
        let refused = |error: &ConfigError| error.problem == "is not a file";
        assert!(errors.iter().any(refused), "{name}: {errors:?}");
    }
}

#[test]
fn a_missing_file_says_how_to_make_one() {
    let name = "kek";
    let site = Site::new();
    fs::remove_file(site.dir.path().join(name)).unwrap();
    let error = problem(site.load(""));
    assert!(error.problem.contains("does not exist"), "{error}");
    assert!(error.remedy.contains("openssl rand -hex 32"), "{error}");
}

#[test]
fn a_key_of_the_wrong_length_or_of_one_byte_is_refused_and_not_shown() {
    for key in [
        &KEY_TEXT[2..],
        &format!("{KEY_TEXT}00"),
        &"0a".repeat(32),
        "not hex at all",
        "",
    ] {
        let site = Site::new();
        site.write("kek", key, 0o600);
        let error = problem(site.load(""));
        assert_eq!(error.key, "key_encryption.key_file");
        assert!(key.is_empty() || !error.to_string().contains(key));
    }
}

#[test]
fn a_key_in_the_environment_works_with_a_warning() {
    let config = load("", &[(KEK_VARIABLE, KEY_TEXT)], &Overrides::default()).unwrap();
    assert_eq!(
        hex::encode(config.key_encryption_key.expose_secret()),
        KEY_TEXT
    );
    assert!(config.warnings[0].contains(KEK_VARIABLE));
}

#[test]
fn two_keys_are_one_too_many() {
    let site = Site::new();
    let error = problem(load(
        &site.file(""),
        &[(KEK_VARIABLE, KEY_TEXT)],
        &Overrides::default(),
    ));
    assert_eq!(error.key, "key_encryption.key_file");
}

#[test]
fn a_bad_key_in_the_environment_is_not_shown() {
    let error = problem(load(
        "",
        &[(KEK_VARIABLE, "hunter2")],
        &Overrides::default(),
    ));
    assert_eq!(error.key, KEK_VARIABLE);
    assert!(!error.to_string().contains("hunter2"));
}

#[test]
fn log_settings_are_checked() {
    let site = Site::new();
    assert_eq!(problem(site.load("log.format = \"xml\"")).key, "log.format");
    assert_eq!(
        problem(site.load("log.level = \"info,=,=\"")).key,
        "log.level"
    );
    let config = site
        .load("log.format = \"human\"\nlog.level = \"info,countersign_server=debug\"")
        .unwrap();
    assert_eq!(config.log.format, LogFormat::Human);
}

#[test]
fn a_default_may_not_exceed_its_maximum() {
    let site = Site::new();
    assert_eq!(
        problem(site.load("limits.max_deadline = \"1s\"")).key,
        "limits.default_deadline"
    );
    assert_eq!(
        problem(site.load("limits.max_grace = \"1h\"")).key,
        "limits.default_grace"
    );
}

#[test]
fn limits_have_bounds() {
    let site = Site::new();
    let bad = [
        "max_body_bytes = 16777217",
        "max_live_versions = 1",
        "max_live_versions = 11",
        "max_grace = \"31d\"",
        "drain = \"soon\"",
        "max_batch_items = -1",
        "max_headers = 1.5",
    ];
    for line in bad {
        let key = line.split(' ').next().unwrap();
        assert_eq!(
            problem(site.load(&format!("limits.{line}"))).key,
            format!("limits.{key}")
        );
    }
}

#[test]
fn dev_is_open_and_on_loopback_only() {
    let dir = TempDir::new().unwrap();
    let config = Config::dev(DEFAULT_LISTEN, dir.path()).unwrap();
    assert!(config.open && config.tls.is_none() && config.reflection);
    let error = problem(Config::dev(([0, 0, 0, 0], 50051).into(), dir.path()));
    assert_eq!(error.key, "listen");
}

#[test]
fn a_second_dev_start_finds_the_key_of_the_first() {
    let dir = TempDir::new().unwrap();
    let data_dir = dir.path().join("new/data");
    let first = Config::dev(DEFAULT_LISTEN, &data_dir).unwrap();
    let second = Config::dev(DEFAULT_LISTEN, &data_dir).unwrap();
    assert!(first.key_encryption_key.expose_secret() == second.key_encryption_key.expose_secret());
    let mode = fs::metadata(data_dir.join("dev.key"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_debug_text_shows_no_key() {
    let config = Site::new().load("").unwrap();
    let text = format!("{config:?}");
    assert!(!text.contains(KEY_TEXT) && !text.contains("[0, 17"));
}

#[test]
fn times_have_a_number_and_a_unit() {
    let cases = [
        ("500ms", 500),
        ("90s", 90_000),
        ("30m", 1_800_000),
        ("24h", 86_400_000),
        ("7d", 604_800_000),
    ];
    for (text, millis) in cases {
        assert_eq!(
            parse_duration(text),
            Some(std::time::Duration::from_millis(millis))
        );
    }
    for text in [
        "",
        "5",
        "h",
        "-1s",
        "1.5h",
        "1 h",
        "1w",
        "1s1",
        "99999999999999999999s",
        "999999999999999999d",
    ] {
        assert_eq!(parse_duration(text), None, "{text}");
    }
}

#[test]
fn a_key_may_have_white_space_around_it() {
    let text = Zeroizing::new(format!("  {KEY_TEXT}\r\n"));
    assert!(read_key_text(text).is_ok());
}

#[test]
fn an_origin_stands_as_browsers_write_it() {
    let origins = |text: &str| {
        let file = format!("allowed_origins = {text:?}");
        let mut source = source(&file, &[], &Overrides::default());
        let origins = source.origins("allowed_origins");
        (origins.len(), source.into_errors().len())
    };
    assert_eq!(
        origins("https://a.example.com, http://localhost:5173"),
        (2, 0)
    );
    for never_sent in [
        "*",
        "https://*.example.com",
        "https://a.example.com:443",
        "http://localhost:80",
        "https://a.example.com/",
        "https://A.example.com",
        "null",
    ] {
        assert_eq!(origins(never_sent), (0, 1), "{never_sent}");
    }
}
