//! The built-in `provider-config` component: server settings of mail services (autoconfiguration).
//!
//! It returns what the host finds and contains no table of services. The login name is filled in
//! when the address is known; texts are in the client's language.
//!
//! Compiles natively too, without its exports, so that code that needs no host is tested both
//! natively and in WebAssembly.

use kit::bindings::exports::postlet::mail::describe::{Operation, Parameter};
use kit::bindings::postlet::mail::providers::{self, Step};
use kit::describe::{Scope, json, operation, parameter};
use kit::http::query::invalid;
use kit::problem::{Code, Problem};
use kit::request::{Request, Verb};
use kit::response::Answer;
use rules::foreign_text::printable_within;

use crate::show::{Person, profile_json, step_json};

mod show;

kit::endpoint!(operations, answer);

/// The schema of `email`. RFC 5321 section 4.5.3.1: 64 octets for the local part, 255 for the
/// domain.
const ADDRESS: &str = r#"{"type":"string","minLength":3,"maxLength":320,
    "pattern":"^[^ \\x00-\\x1f\\x7f-\\x9f]+@[^ @\\x00-\\x1f\\x7f-\\x9f]+$",
    "description":"an address such as ann@example.com, with a `+` encoded as %2B, without spaces"}"#;

fn operations() -> Vec<Operation> {
    let shown = || {
        vec![json(
            200,
            kit::schema!("provider"),
            "The mail service; its texts are in the language of Accept-Language",
        )]
    };
    vec![
        Operation {
            parameters: vec![Parameter {
                required: true,
                ..parameter("email", ADDRESS, "The e-mail address")
            }],
            answers: shown(),
            ..operation(
                "GET",
                "/v1/providers",
                Scope::Read,
                "Show the servers and the login method for an address",
            )
        },
        Operation {
            answers: shown(),
            ..operation(
                "GET",
                "/v1/providers/:domain",
                Scope::Read,
                "Show the servers and the login method for a domain",
            )
        },
    ]
}

fn answer(request: &Request) -> Result<Answer, Problem> {
    if request.verb() != Verb::Get {
        return Err(Problem::method_not_allowed("GET"));
    }
    if request.route_ends("/:domain") {
        request.query(&[])?;
        return show(request, &request.parameter("domain")?, None);
    }
    let mut query = request.query(&["email"])?;
    let email = query.take("email").ok_or_else(|| invalid("email", "`email` is needed"))?;
    if email.contains(' ') {
        return Err(invalid("email", "`email` has a space; a `+` in an address is encoded as %2B"));
    }
    let person = Person::of(&email)
        .ok_or_else(|| invalid("email", "`email` has to be an address such as ann@example.com"))?;
    show(request, person.domain, Some(&person))
}

fn show(request: &Request, domain: &str, person: Option<&Person<'_>>) -> Result<Answer, Problem> {
    let found = providers::look_up(domain)?;
    let profile = found.profile.as_ref().ok_or_else(|| unknown(domain, &found.steps))?;
    let accept = request.field("accept-language").unwrap_or_default();
    let (shown, languages) = profile_json(&found, profile, person, &accept);
    let mut answer = Answer::json(200, &shown)?.with("vary", "accept-language");
    if !languages.is_empty() {
        answer = answer.with("content-language", languages.join(", "));
    }
    Ok(answer)
}

/// 404 with every discovery step, so that the operator of the domain sees what to correct.
fn unknown(domain: &str, steps: &[Step]) -> Problem {
    let domain = printable_within(80, domain);
    let detail = match steps {
        [] => format!("`{domain}` is not a mail domain"),
        _ => format!(
            "no mail servers were found for `{domain}`; `explain` has the discovery steps. Enter the servers by hand, or add a file about the service"
        ),
    };
    let mut problem = Problem::new(Code::NoSuchProvider, detail);
    let steps: Vec<_> = steps.iter().map(step_json).collect();
    // Text and numbers only: serialising them cannot fail.
    problem.members.push(("explain", serde_json::to_value(steps).unwrap_or_default()));
    problem
}
