//! What a command reads besides its arguments: bodies, headers and keys. Bytes stay what they are.

use std::{
    fs,
    io::{self, IsTerminal, Read, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use clap::Args;
use countersign_client::{
    SecretString,
    v1::{self, Header},
};
use countersign_server::config::parse_duration;

use crate::exit::usage;

/// The file name that stands for standard input.
const STDIN: &str = "-";

/// The HTTP method of deliveries.
pub(crate) const METHOD: &str = "POST";

/// Where the body of a delivery comes from.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub(crate) struct BodyArgs {
    /// The raw body, byte for byte; - reads standard input
    #[arg(long, value_name = "FILE")]
    body_file: Option<PathBuf>,
    /// The body as text, just as it stands here
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    body: Option<String>,
}

impl BodyArgs {
    pub(crate) fn read(&self) -> anyhow::Result<Vec<u8>> {
        match (&self.body_file, &self.body) {
            (Some(path), _) => read_bytes(path),
            (None, text) => Ok(text.clone().unwrap_or_default().into_bytes()),
        }
    }

    fn is_stdin(&self) -> bool {
        self.body_file.as_deref() == Some(Path::new(STDIN))
    }
}

/// Where the headers of a delivery come from.
#[derive(Args)]
pub(crate) struct HeaderArgs {
    /// A header as received; repeat it for more
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<Header>,
    /// A file with one header a line, as received; the line of the request before them is skipped. - reads standard
    /// input, which can be the headers or the body
    #[arg(long, value_name = "FILE")]
    headers_file: Option<PathBuf>,
}

impl HeaderArgs {
    /// The headers of the file, then those of the command line.
    pub(crate) fn read(&self) -> anyhow::Result<Vec<Header>> {
        let mut all = match &self.headers_file {
            None => Vec::new(),
            Some(path) => {
                let text = read_text(path)?;
                header_lines(&text)?
            }
        };
        all.extend(self.headers.iter().cloned());
        Ok(all)
    }

    pub(crate) fn is_given(&self) -> bool {
        self.headers_file.is_some() || !self.headers.is_empty()
    }

    /// Refuses headers and a body that both come from standard input.
    pub(crate) fn check(&self, body: &BodyArgs) -> anyhow::Result<()> {
        if self.headers_file.as_deref() == Some(Path::new(STDIN)) && body.is_stdin() {
            return Err(usage(
                "standard input is either the headers or the body: give one of them in a file",
            ));
        }
        Ok(())
    }
}

/// Where an imported key comes from. It is never an argument: others can see those.
#[derive(Args)]
#[group(multiple = false)]
pub(crate) struct KeyArgs {
    /// Import a key, typed at a prompt that does not show it
    #[arg(long)]
    import: bool,
    /// Import the key in a file; one newline at its end is left out, nothing else is changed
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Import the key from standard input; one newline at its end is left out, nothing else is changed
    #[arg(long)]
    key_stdin: bool,
}

impl KeyArgs {
    /// The key to import; none to have one generated.
    pub(crate) fn read(&self) -> anyhow::Result<Option<SecretString>> {
        let text = match &self.key_file {
            Some(path) => read_text(path)?,
            None if self.key_stdin => read_text(Path::new(STDIN))?,
            None if self.import => prompt()?,
            None => return Ok(None),
        };
        let key = without_newline(text);
        // On the wire an empty key asks for a generated one, which is not what was meant.
        if key.is_empty() {
            Err(usage("the key to import is empty"))
        } else {
            Ok(Some(key.into()))
        }
    }
}

fn prompt() -> anyhow::Result<String> {
    if !io::stdin().is_terminal() {
        return Err(usage(
            "--import asks at a terminal and there is none: use --key-file FILE or --key-stdin",
        ));
    }
    rpassword::prompt_password("Key, as the vendor shows it: ")
        .context("cannot read the key from the terminal")
}

/// Reads a file, or standard input for `-`.
pub(crate) fn read_bytes(path: &Path) -> anyhow::Result<Vec<u8>> {
    if path == Path::new(STDIN) {
        let mut bytes = Vec::new();
        io::stdin()
            .read_to_end(&mut bytes)
            .context("cannot read standard input")?;
        return Ok(bytes);
    }
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Reads a text file, or standard input for `-`.
pub(crate) fn read_text(path: &Path) -> anyhow::Result<String> {
    String::from_utf8(read_bytes(path)?)
        .map_err(|_| usage(format!("{} is not UTF-8 text", path.display())))
}

/// A file that nobody else can read, made before there is something to write into it. It goes again unless it is kept.
pub(crate) struct PrivateFile {
    file: fs::File,
    path: PathBuf,
    is_kept: bool,
}

impl PrivateFile {
    /// Makes a file that is not there yet.
    pub(crate) fn create(path: &Path) -> anyhow::Result<Self> {
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path).with_context(|| {
            format!(
                "cannot make {}; name a file that is not there yet",
                path.display()
            )
        })?;
        Ok(Self {
            file,
            path: path.to_owned(),
            is_kept: false,
        })
    }

    /// All is written, and stays through a power cut.
    pub(crate) fn keep(mut self) -> io::Result<()> {
        self.file.sync_all()?;
        self.is_kept = true;
        Ok(())
    }
}

impl Write for PrivateFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for PrivateFile {
    fn drop(&mut self) {
        if !self.is_kept {
            drop(fs::remove_file(&self.path));
        }
    }
}

/// The text without the one newline that editors and `echo` put at its end.
pub(crate) fn without_newline(mut text: String) -> String {
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    text
}

/// Reads a header line. One space after the colon belongs to the line, not to the value; a closing CR to neither.
pub(crate) fn header(line: &str) -> Result<Header, String> {
    let (name, value) = line.split_once(':').ok_or("a header is NAME: VALUE")?;
    if name.is_empty() || name.contains(char::is_whitespace) {
        return Err("a header starts with its name and a colon".to_owned());
    }
    let value = value.strip_prefix(' ').unwrap_or(value);
    Ok(Header {
        name: name.to_owned(),
        value: value.to_owned(),
    })
}

/// Whether it is the first line of a captured request, such as `POST /hook HTTP/1.1`.
fn is_request_line(line: &str) -> bool {
    let mut words = line.split(' ');
    let method = words.next().unwrap_or_default();
    let version = words.next_back().unwrap_or_default();
    version.starts_with("HTTP/")
        && !method.is_empty()
        && method.bytes().all(|byte| byte.is_ascii_uppercase())
}

fn header_lines(text: &str) -> anyhow::Result<Vec<Header>> {
    let mut headers = Vec::new();
    let lines = text.lines().enumerate();
    let mut lines = lines.filter(|(_, line)| !line.is_empty()).peekable();
    lines.next_if(|(_, line)| is_request_line(line));
    for (index, line) in lines {
        let parsed = header(line)
            .map_err(|problem| usage(format!("line {} of the headers: {problem}", index + 1)))?;
        headers.push(parsed);
    }
    Ok(headers)
}

/// Reads a length of time such as `30m`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text)
        .ok_or_else(|| "give a number with ms, s, m, h or d, such as 30m, 24h or 7d".to_owned())
}

/// Reads `KEY=VALUE`.
pub(crate) fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("give KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

/// A length of time for the wire.
pub(crate) fn wire_duration(length: Duration) -> anyhow::Result<prost_types::Duration> {
    prost_types::Duration::try_from(length).map_err(|_| usage("that time is too long"))
}

/// The id that makes a repeated request the same request: as given, or a new one.
pub(crate) fn request_id(given: Option<String>) -> String {
    given.unwrap_or_else(|| uuid::Uuid::new_v4().to_string())
}

/// The plain identity fields of a command.
#[derive(Args)]
pub(crate) struct IdentityArgs {
    /// The user's id in the host application
    #[arg(long)]
    id: Option<String>,
    /// The user's email address
    #[arg(long)]
    email: Option<String>,
    /// The user's display name
    #[arg(long)]
    name: Option<String>,
    /// A further field or claim; repeat it for more. The value is JSON, or else a text
    #[arg(long = "attribute", value_name = "KEY=VALUE", value_parser = pair)]
    attributes: Vec<(String, String)>,
}

impl IdentityArgs {
    pub(crate) fn is_empty(&self) -> bool {
        self.id.is_none()
            && self.email.is_none()
            && self.name.is_none()
            && self.attributes.is_empty()
    }

    pub(crate) fn into_wire(self) -> v1::Identity {
        let fields = self
            .attributes
            .into_iter()
            .map(|(key, value)| (key, crate::json::to_wire_value(&value)));
        v1::Identity {
            id: self.id.unwrap_or_default(),
            email: self.email.unwrap_or_default(),
            name: self.name.unwrap_or_default(),
            attributes: Some(prost_types::Struct {
                fields: fields.collect(),
            })
            .filter(|s| !s.fields.is_empty()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_newline_is_left_out_and_nothing_else() {
        for (text, expected) in [
            ("k\n", "k"),
            ("k\r\n", "k"),
            ("k\n\n", "k\n"),
            (" k ", " k "),
            ("k", "k"),
            ("", ""),
        ] {
            assert_eq!(without_newline(text.to_owned()), expected, "{text:?}");
        }
    }

    #[test]
    fn a_header_keeps_its_value_as_it_is() {
        let cases = [
            ("a: b", "b"),
            ("a:b", "b"),
            ("a:  b ", " b "),
            ("a: t=1,v1=x:y", "t=1,v1=x:y"),
            ("a:", ""),
        ];
        for (line, value) in cases {
            let parsed = header(line).unwrap();
            assert_eq!(
                (parsed.name.as_str(), parsed.value.as_str()),
                ("a", value),
                "{line:?}"
            );
        }
    }

    #[test]
    fn what_is_no_header_is_refused() {
        for line in [
            "no colon",
            ": no name",
            "two words: x",
            "POST /hook HTTP/1.1",
        ] {
            assert!(header(line).is_err(), "{line:?}");
        }
    }

    #[test]
    fn header_lines_may_end_in_cr_and_repeat() {
        let headers = header_lines("a: 1\r\na: 2\r\n\r\n").unwrap();
        assert_eq!(
            headers.iter().map(|h| h.value.as_str()).collect::<Vec<_>>(),
            ["1", "2"]
        );
        for first in ["POST /in?x=1 HTTP/1.1\r\n", "\nGET / HTTP/2\n"] {
            assert_eq!(header_lines(&format!("{first}a: 1\n")).unwrap().len(), 1);
        }
        for other in [
            "post / HTTP/1.1\n",
            "HTTP/1.1 200 OK\n",
            "POST / HTTP/1.1\nGET / HTTP/1.1\n",
        ] {
            assert!(header_lines(other).is_err(), "{other}");
        }
        let problem = header_lines("a: 1\nbroken\n").unwrap_err();
        assert!(problem.to_string().starts_with("line 2"));
    }

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(duration("30m"), Ok(Duration::from_secs(1800)));
        assert_eq!(duration("7d"), Ok(Duration::from_secs(7 * 24 * 3600)));
        assert!(duration("24").is_err() && duration("soon").is_err());
    }

    #[test]
    fn a_pair_may_have_an_empty_value() {
        assert_eq!(pair("a=b=c"), Ok(("a".into(), "b=c".into())));
        assert_eq!(pair("a="), Ok(("a".into(), String::new())));
        assert!(pair("a").is_err());
    }
}
