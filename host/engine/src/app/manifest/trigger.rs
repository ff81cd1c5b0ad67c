//! `[[trigger.http]]` and `[[trigger.mail]]`: HTTP routes, and bindings of filters to hooks.
//!
//! The first kind is Spin's; the second is Postlet's. Whether a named component exists is checked
//! elsewhere.

use model::filter::{Mode, OnError};

use crate::app::manifest::fault::ManifestFault;
use crate::app::manifest::table::Table;
use crate::app::route_table::Pattern;

/// One `[[trigger.http]]` with a public route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The path pattern, with the application's `base` before it.
    pub pattern: Pattern,
    /// What answers requests.
    pub target: Target,
    /// The line in the file, from 1.
    pub line: usize,
}

/// What answers requests of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A component, by its id.
    Component(String),
    /// A static response.
    Static(StaticResponse),
}

/// `static_response`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticResponse {
    /// The HTTP status, 200 to 599.
    pub status: u16,
    /// As written; the server checks names and values when it builds the response.
    pub headers: Vec<(String, String)>,
    /// Empty when there is none.
    pub body: String,
}

/// One `[[trigger.mail]]`: a filter at a hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The filter's component, by its id.
    pub component: String,
    /// When it runs.
    pub hook: Hook,
    /// Lower ones first; equal ones in the order of the file.
    pub order: i64,
    /// What a failure means.
    pub on_error: OnError,
    /// Whether its verdict is enforced.
    pub mode: Mode,
    /// The line in the file, from 1.
    pub line: usize,
}

/// When a filter runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Hook {
    /// Before a submission is accepted.
    BeforeSend,
    /// When a message has arrived.
    OnReceive,
    /// When a message is fetched.
    OnFetch,
    /// For a page of a list.
    OnList,
    /// After a submission was delivered.
    AfterSend,
    /// When a bounce arrived.
    OnBounce,
}

impl Hook {
    /// Every hook, by its keyword in the manifest, which is the name of its interface in WIT.
    pub const WORDS: [(&'static str, Self); 6] = [
        ("before-send", Self::BeforeSend),
        ("on-receive", Self::OnReceive),
        ("on-fetch", Self::OnFetch),
        ("on-list", Self::OnList),
        ("after-send", Self::AfterSend),
        ("on-bounce", Self::OnBounce),
    ];
}

/// The contents of `[trigger]`.
#[derive(Default)]
pub(crate) struct Triggers {
    pub(crate) routes: Vec<Route>,
    /// Components without a public route, and the line of each.
    pub(crate) private: Vec<(String, usize)>,
    pub(crate) filters: Vec<Binding>,
}

/// Entries of [[trigger.http]], and of [[trigger.mail]]: the largest application that we know of has 30.
pub(crate) const MOST_TRIGGERS: usize = 1000;

/// Reads `[trigger]`; `base` precedes every route.
pub(crate) fn triggers(root: &mut Table<'_>, base: &str) -> Result<Triggers, ManifestFault> {
    let mut triggers = Triggers::default();
    let Some(trigger) = root.take("trigger") else { return Ok(triggers) };
    let mut trigger = trigger.table()?;
    if let Some(http) = trigger.take("http") {
        for entry in http.tables(MOST_TRIGGERS)? {
            triggers.http(entry, base)?;
        }
    }
    if let Some(mail) = trigger.take("mail") {
        for entry in mail.tables(MOST_TRIGGERS)? {
            triggers.filters.push(binding(entry)?);
        }
    }
    trigger.finish()?;
    Ok(triggers)
}

impl Triggers {
    fn http(&mut self, mut entry: Table<'_>, base: &str) -> Result<(), ManifestFault> {
        entry.text("id")?;
        let value = entry.required("route")?;
        let line = value.line();
        let pattern = if value.is_text() {
            let text = value.text()?;
            if text.ends_with("/*") {
                return Err(value.fault("write `/...` for everything below"));
            }
            let whole = match (base, text.as_str()) {
                ("/", text) => text.to_owned(),
                (base, "/") => base.to_owned(),
                (base, text) => format!("{base}{text}"),
            };
            // Both are checked: `base` must not turn an invalid route into a valid one.
            let _: Pattern = text.parse().map_err(|error| value.fault(&format!("{error}")))?;
            Some(whole.parse().map_err(|error| value.fault(&format!("{error}")))?)
        } else {
            let mut table = value.table().map_err(|fault| ManifestFault {
                advice: "a path is needed, or { private = true }".to_owned(),
                ..fault
            })?;
            if table.flag("private")? != Some(true) {
                return Err(value.fault("a path is needed, or { private = true }"));
            }
            table.finish()?;
            None
        };
        if let Some(executor) = entry.take("executor") {
            let mut table = executor.table()?;
            if table.text("type")?.as_deref() != Some("http") {
                return Err(executor.fault("Postlet runs components that export wasi:http only"));
            }
            table.finish()?;
        }
        let target = match (entry.take("component"), entry.take("static_response")) {
            (Some(component), None) => Target::Component(component.text()?),
            (None, Some(answer)) => Target::Static(static_response(answer.table()?)?),
            (Some(_), Some(answer)) => {
                return Err(answer.fault("a route has a component or a static_response, not both"));
            }
            (None, None) => {
                return Err(entry.fault("component", "say which component serves here"));
            }
        };
        entry.finish()?;
        match (pattern, target) {
            (Some(pattern), target) => self.routes.push(Route { pattern, target, line }),
            (None, Target::Component(id)) => self.private.push((id, line)),
            (None, Target::Static(_)) => {
                return Err(value.fault("nobody could ever see this answer"));
            }
        }
        Ok(())
    }
}

/// Fields that frame a response or describe the connection (RFC 9110 §7.6.1, RFC 9112 §6).
const FRAMING: [&str; 9] = [
    "connection",
    "content-length",
    "date",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

fn static_response(mut table: Table<'_>) -> Result<StaticResponse, ManifestFault> {
    let status = match table.take("status_code") {
        None => 200,
        Some(value) => value
            .integer()
            .and_then(|code| u16::try_from(code).ok())
            .filter(|code| (200..600).contains(code))
            .ok_or_else(|| value.fault("a status is 200 to 599"))?,
    };
    let mut headers = Vec::new();
    if let Some(value) = table.take("headers") {
        let mut table = value.table()?;
        for name in table.keys() {
            let value = table.required(&name)?;
            let text = value.text()?;
            if http::HeaderName::try_from(&name).is_err()
                || http::HeaderValue::try_from(&text).is_err()
            {
                return Err(value.fault("this cannot be a header field (RFC 9110 §5)"));
            }
            if FRAMING.iter().any(|field| name.eq_ignore_ascii_case(field)) {
                return Err(value.fault(
                    "the host writes this field itself: it says where the answer ends, or how the connection goes on",
                ));
            }
            headers.push((name, text));
        }
    }
    let body = table.text("body")?.unwrap_or_default();
    table.finish()?;
    Ok(StaticResponse { status, headers, body })
}

fn binding(mut entry: Table<'_>) -> Result<Binding, ManifestFault> {
    entry.text("id")?;
    let component = entry.required("component")?;
    let line = component.line();
    let hook = entry.required("hook")?.one_of(&Hook::WORDS)?;
    let order = match entry.take("order") {
        None => 0,
        Some(value) => value.integer().ok_or_else(|| value.fault("a whole number is needed"))?,
    };
    let on_error = entry
        .take("on-error")
        .map(|value| value.one_of(&[("open", OnError::Open), ("closed", OnError::Closed)]));
    let mode = entry
        .take("mode")
        .map(|value| value.one_of(&[("live", Mode::Live), ("shadow", Mode::Shadow)]));
    let binding = Binding {
        component: component.text()?,
        hook,
        order,
        // Fail closed is the default: a failure is noticed, instead of mail being sent unchecked.
        on_error: on_error.transpose()?.unwrap_or(OnError::Closed),
        mode: mode.transpose()?.unwrap_or(Mode::Live),
        line,
    };
    entry.finish()?;
    Ok(binding)
}
