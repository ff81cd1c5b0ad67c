//! Log formatter and writer: a `tracing` layer that writes each entry as one line of text or JSON.
//!
//! All log output passes here, so this is where texts of guests, mail servers and clients are prevented
//! from forging a line or filling the disk, even if the caller did not escape them: each field is escaped
//! and cut, an entry is bounded, and a tenant's entries are charged to its quota. The fields of the
//! spans around an entry (request, tenant, component, method, path) are fields of the entry.
//!
//! Invariant: an entry is one line of at most about 10 KiB, written in one call, and in a line of text no
//! foreign text can be mistaken for a field.

pub(crate) mod quota;

use std::fmt;
use std::fmt::Write as _;
use std::io::Write as _;
use std::panic::PanicHookInfo;
use std::sync::Arc;

use rules::foreign_text::{LONGEST, Printable};
use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::format;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::log::quota::{LogQuotas, Notice, Writer};

/// Maximum size of all fields of an entry, in bytes before encoding.
const ENTRY: usize = 2 * LONGEST;

/// The target of entries that components write.
const COMPONENT: &str = "postlet::component";

/// Format of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A line of text: time, level, target, message, then `name=value` fields.
    Text {
        /// With ANSI colour sequences.
        colours: bool,
    },
    /// A JSON object for each entry.
    Json,
}

/// Destination of lines; each call is one line.
type Sink = Arc<dyn Fn(&[u8]) + Send + Sync>;

/// The `tracing` layer that writes the log.
pub struct Journal {
    form: Form,
    sink: Sink,
    quotas: Arc<LogQuotas>,
}

impl Journal {
    /// Writes to standard error, with the quotas of this process.
    #[must_use]
    pub fn on_stderr(form: Form) -> Self {
        let sink: Sink = Arc::new(|line| {
            // A failure to write the log cannot be logged.
            let _ = std::io::stderr().lock().write_all(line);
        });
        let notices = Arc::clone(&sink);
        let quotas = LogQuotas::of_this_process();
        quotas.tell(move |tenant, notice| notices(&dropped(form, tenant, notice)));
        Self { form, sink, quotas }
    }

    /// Writes to a sink, with quotas of its own.
    #[cfg(test)]
    fn into_sink(form: Form, sink: Sink, quotas: Arc<LogQuotas>) -> Self {
        Self { form, sink, quotas }
    }
}

/// Panic hook: logs a panic as an entry, since its message may contain foreign text.
pub fn panicked(info: &PanicHookInfo<'_>) {
    let payload = info.payload();
    let words = payload.downcast_ref::<&str>().copied();
    let words = words.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let location = info.location().map(ToString::to_string).unwrap_or_default();
    tracing::error!("a thread panicked at {location}: {}", words.unwrap_or("no message"));
    let trace = std::backtrace::Backtrace::capture();
    if trace.status() == std::backtrace::BacktraceStatus::Captured {
        // As RUST_BACKTRACE requests; a backtrace contains no foreign text.
        let _ = writeln!(std::io::stderr(), "{trace}");
    }
}

/// The line that reports dropped entries: when they begin, and at the end of the minute.
fn dropped(form: Form, tenant: &str, notice: Notice) -> Vec<u8> {
    const FULL: &str = "the log quota of this tenant is used up for this minute";
    let message = match notice {
        Notice::Begun => {
            format!("{FULL}: until it ends lines are dropped, those of components first")
        }
        Notice::Ended(lines, bytes) => {
            format!("{FULL}: {lines} lines of {bytes} bytes were dropped")
        }
    };
    let mut fields = Fields::default();
    fields.put("message", Noted::Plain(message));
    fields.put("tenant", Noted::Quoted(tenant.to_owned()));
    line(form, Level::WARN, module_path!(), &fields)
}

/// The value of a field, escaped and cut.
#[derive(Clone, Debug, PartialEq)]
enum Noted {
    /// `Display` and `Debug`: written without quotes if that is unambiguous.
    Plain(String),
    /// A string.
    Quoted(String),
    /// A number or a boolean.
    Bare(Value),
}

/// The fields of an entry or a span.
#[derive(Clone, Debug, Default)]
struct Fields {
    list: Vec<(&'static str, Noted)>,
    size: usize,
}

impl Fields {
    fn put(&mut self, name: &'static str, noted: Noted) {
        // A span's field may be recorded again.
        self.list.retain(|(known, _)| *known != name);
        self.list.push((name, noted));
    }

    fn words(&mut self, words: impl fmt::Display) -> String {
        let limit = ENTRY.saturating_sub(self.size).min(LONGEST);
        let mut kept = Printable::new(limit);
        // Writing to it cannot fail; the text of a `Display` that fails ends early.
        let _ = write!(kept, "{words}");
        let kept = kept.finish();
        // In quotes these are escaped, as two bytes each.
        self.size += kept.len() + kept.matches(['"', '\\']).count();
        kept
    }

    fn adopt(&mut self, outer: &Self) {
        for (name, noted) in &outer.list {
            if !self.list.iter().any(|(known, _)| known == name) {
                self.list.push((name, noted.clone()));
            }
        }
    }

    fn text(&self, name: &str) -> Option<&str> {
        let (_, noted) = self.list.iter().find(|(known, _)| *known == name)?;
        match noted {
            Noted::Plain(text) | Noted::Quoted(text) => Some(text),
            Noted::Bare(_) => None,
        }
    }

    /// The quota that the entry is charged to: the tenant's, or that of its callers without a token.
    fn payer(&self) -> Option<String> {
        let tenant = self.text("tenant")?;
        let anonymous = self
            .list
            .iter()
            .any(|(name, noted)| *name == "anonymous" && *noted == Noted::Bare(json!(true)));
        Some(if anonymous { format!("{tenant}, without a token") } else { tenant.to_owned() })
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let words = self.words(format_args!("{value:?}"));
        self.put(field.name(), Noted::Plain(words));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let words = self.words(value);
        self.put(
            field.name(),
            if field.name() == "message" { Noted::Plain(words) } else { Noted::Quoted(words) },
        );
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field.name(), Noted::Bare(json!(value)));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field.name(), Noted::Bare(json!(value)));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field.name(), Noted::Bare(json!(value)));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field.name(), Noted::Bare(json!(value)));
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Journal {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        span.extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(fields) = span.extensions_mut().get_mut::<Fields>() {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        // The innermost span first: it takes precedence.
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(outer) = span.extensions().get::<Fields>() {
                fields.adopt(outer);
            }
        }
        let about: &Metadata<'_> = event.metadata();
        let line = line(self.form, *about.level(), about.target(), &fields);
        let paid = match fields.payer() {
            Some(payer) => {
                let guest = about.target() == COMPONENT;
                let writer = if guest { Writer::Component } else { Writer::Host };
                self.quotas.pay(&payer, writer, line.len())
            }
            None => true,
        };
        if paid {
            (self.sink)(&line);
        }
    }
}

fn line(form: Form, level: Level, target: &str, fields: &Fields) -> Vec<u8> {
    let mut time = String::new();
    // An entry is written even if the time cannot be formatted.
    let _ = SystemTime.format_time(&mut format::Writer::new(&mut time));
    let mut line = match form {
        Form::Text { colours } => text(colours, &time, level, target, fields),
        Form::Json => object(&time, level, target, fields),
    };
    line.push('\n');
    line.into_bytes()
}

fn text(colours: bool, time: &str, level: Level, target: &str, fields: &Fields) -> String {
    let colour = match level {
        Level::ERROR => 31,
        Level::WARN => 33,
        Level::INFO => 32,
        Level::DEBUG => 34,
        Level::TRACE => 35,
    };
    let mut line = if colours {
        format!(
            "\u{1b}[2m{time}\u{1b}[0m \u{1b}[{colour}m{level:>5}\u{1b}[0m \u{1b}[2m{target}:\u{1b}[0m"
        )
    } else {
        format!("{time} {level:>5} {target}:")
    };
    if let Some(message) = fields.text("message") {
        line.push(' ');
        line.push_str(&if is_plain(message) { message.to_owned() } else { quoted(message) });
    }
    for (name, noted) in fields.list.iter().filter(|(name, _)| *name != "message") {
        // Writing to a string cannot fail.
        let _ = match noted {
            Noted::Plain(words) if is_plain(words) => write!(line, " {name}={words}"),
            Noted::Plain(words) | Noted::Quoted(words) => write!(line, " {name}={}", quoted(words)),
            Noted::Bare(value) => write!(line, " {name}={value}"),
        };
    }
    line
}

/// Whether nothing in it could be mistaken for a field, or for the end of one.
fn is_plain(words: &str) -> bool {
    !words.contains(['=', '"'])
}

/// A quoted string; quotes and backslashes are escaped.
fn quoted(words: &str) -> String {
    format!("\"{}\"", words.replace('\\', "\\\\").replace('"', "\\\""))
}

fn object(time: &str, level: Level, target: &str, fields: &Fields) -> String {
    let mut members = Map::new();
    for (name, noted) in &fields.list {
        let value = match noted {
            Noted::Plain(words) | Noted::Quoted(words) => json!(words),
            Noted::Bare(value) => value.clone(),
        };
        members.insert((*name).to_owned(), value);
    }
    members.insert("timestamp".to_owned(), json!(time));
    members.insert("level".to_owned(), json!(level.as_str()));
    members.insert("target".to_owned(), json!(target));
    Value::Object(members).to_string()
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").field("form", &self.form).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use crate::config::limits::LogLimits;

    /// Hostile texts.
    fn corpus() -> Vec<String> {
        let forged = "\n2026-01-01T00:00:00.000000Z ERROR server: forged";
        let mut corpus: Vec<String> = [
            "plain",
            forged,
            "\r\n\r\n",
            "\u{1b}[2J\u{1b}]0;title\u{7}",
            "\u{9b}31m\u{85}\u{b}\u{c}",
            "\0",
            "\u{202e}\u{2066}\u{200f}\u{2028}\u{2029}\u{e0041}",
            "\"}\n{\"level\":\"ERROR\"",
            "x=1 tenant=globex \"quoted\"",
        ]
        .map(str::to_owned)
        .into();
        corpus.push(String::from_utf8_lossy(b"\xff\xed\xa0\x80").into_owned());
        corpus.push("x".repeat(10_000_000));
        corpus.push(forged.repeat(100_000));
        corpus
    }

    /// The lines that `work` logs.
    fn logged(form: Form, limits: LogLimits, work: impl FnOnce()) -> Vec<String> {
        let kept = Arc::new(Mutex::new(Vec::new()));
        let taken = Arc::clone(&kept);
        let sink: Sink = Arc::new(move |line| taken.lock().push(line.to_vec()));
        let journal = Journal::into_sink(form, sink, Arc::new(LogQuotas::new(limits)));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(journal), work);
        let kept = kept.lock();
        kept.iter().map(|line| String::from_utf8(line.clone()).unwrap()).collect()
    }

    #[test]
    fn every_entry_is_one_line_wherever_foreign_text_is() {
        for form in [Form::Text { colours: false }, Form::Json] {
            for said in corpus() {
                let error = std::io::Error::other(said.clone());
                let lines = logged(form, LogLimits { lines: 100, bytes: 1 << 30 }, || {
                    tracing::warn!("{said}");
                    tracing::warn!(%error, "a message");
                    tracing::warn!(said = ?said, detail = %said, said, error = &error as &dyn std::error::Error, "{error}");
                    tracing::error_span!("request", said, %error)
                        .in_scope(|| tracing::warn!("in it"));
                });
                assert_eq!(lines.len(), 4);
                for line in lines {
                    let shown: String = line.chars().take(300).collect();
                    assert!(line.len() < 12 << 10, "{} bytes: {shown}", line.len());
                    let line = line.strip_suffix('\n').expect("an end of line");
                    assert!(!line.contains(rules::foreign_text::steers), "{shown}");
                    if form == Form::Json {
                        let entry: Value = serde_json::from_str(line).expect(&shown);
                        assert_eq!(entry["level"], "WARN", "{shown}");
                        assert_eq!(entry["target"], module_path!().to_owned(), "{shown}");
                    } else {
                        assert!(line.contains("  WARN server::log::tests: "), "{shown}");
                    }
                }
            }
        }
    }

    /// The text outside of quotes.
    fn unquoted(line: &str) -> String {
        let (mut outside, mut inside, mut letters) = (String::new(), false, line.chars());
        while let Some(letter) = letters.next() {
            match letter {
                '\\' if inside => drop(letters.next()),
                '"' => inside = !inside,
                _ if inside => {}
                _ => outside.push(letter),
            }
        }
        assert!(!inside, "{line}");
        outside
    }

    #[test]
    fn foreign_text_never_becomes_a_field() {
        for said in [
            "tenant=globex",
            "\" tenant=globex",
            "\\\" tenant=globex x=\"",
            "\\\\\" tenant=globex x=\\",
            "\\",
            "\"",
            "a\n=\\\" tenant=\"globex\" \\",
        ] {
            let lines = logged(Form::Text { colours: false }, LogLimits::default(), || {
                tracing::warn!(a = said, b = %said, c = ?said, tenant = "acme", "{said}");
            });
            let outside = unquoted(&lines[0]);
            assert!(!outside.contains("globex"), "{}", lines[0]);
            assert!(outside.ends_with(" tenant=\n"), "{}", lines[0]);
        }
    }

    #[test]
    fn an_entry_of_what_is_escaped_is_no_longer_than_others() {
        let words = "\\\"".repeat(100_000);
        let lines = logged(Form::Text { colours: false }, LogLimits::default(), || {
            tracing::warn!(a = words, b = %words, c = %words, "{words}");
        });
        assert!(lines[0].len() < 20 << 10, "{}", lines[0].len());
    }

    #[test]
    fn a_cut_reports_how_much_is_missing() {
        let lines = logged(Form::Text { colours: false }, LogLimits::default(), || {
            tracing::warn!("{}", "x".repeat(1_000_000));
        });
        assert!(lines[0].ends_with("x … (995904 bytes more)\n"), "{}", &lines[0][4000..]);
    }

    #[test]
    fn an_entry_has_the_fields_of_its_spans_and_each_once() {
        let work = || {
            let span = tracing::error_span!(
                "request",
                request = "req_a",
                tenant = tracing::field::Empty,
                component = "own"
            );
            span.record("tenant", "acme");
            span.in_scope(|| tracing::warn!(component = %"filter", count = 2, "said"));
        };
        let text = logged(Form::Text { colours: false }, LogLimits::default(), work);
        let said = ": said component=filter count=2 request=\"req_a\" tenant=\"acme\"\n";
        assert!(text[0].ends_with(said), "{text:?}");
        let json = logged(Form::Json, LogLimits::default(), work);
        let entry: Value = serde_json::from_str(&json[0]).unwrap();
        let want = json!({"component": "filter", "count": 2, "request": "req_a", "tenant": "acme", "message": "said"});
        for (name, value) in want.as_object().unwrap() {
            assert_eq!(&entry[name], value, "{entry}");
        }
    }

    #[test]
    fn a_verbose_component_does_not_bury_its_failure() {
        let lines = logged(Form::Json, LogLimits { lines: 8, bytes: 1 << 20 }, || {
            for _ in 0..300 {
                tracing::info!(target: "postlet::component", tenant = "acme", "words");
            }
            tracing::warn!(tenant = "acme", "the component trapped");
        });
        assert_eq!(lines.len(), 7);
        assert!(lines[6].contains("the component trapped"), "{}", lines[6]);
    }

    #[test]
    fn lines_over_the_quota_are_dropped_and_no_others() {
        let lines = logged(Form::Json, LogLimits { lines: 3, bytes: 1 << 20 }, || {
            for _ in 0..10 {
                tracing::warn!(tenant = "acme", "of acme");
                tracing::warn!(tenant = "acme", anonymous = true, "of a stranger at acme");
                tracing::warn!("of the host");
            }
        });
        let count = |said: &str| {
            lines.iter().filter(|line| line.contains(&format!("\"message\":\"{said}\""))).count()
        };
        assert_eq!(
            (count("of acme"), count("of a stranger at acme"), count("of the host")),
            (3, 3, 10)
        );
    }
}
