//! Server discovery for a request that names no servers.
//!
//! Invariant: a password is sent to no discovered server outside the mail domain unless the caller sets
//! `confirm`, and to no server of a provider that accepts no passwords.

use std::sync::Arc;

use engine::engine::Engine;
use model::account::Security;
use model::caller::Caller;
use model::discovery::{DiscoveryResult, Step};
use model::mail::address::EmailAddress;
use model::problem::{Code, Problem};
use model::provider::{Auth, Localised, Profile, Server, Username};

use crate::api::accounts::request::{AccountRequest, ServerRequest};

const WAY_OUT: &str =
    "give `imap`, `smtp` or both, with the settings from the provider's help pages";

/// Discovers both servers if the body names neither.
///
/// # Errors
/// [`Code::NoServersFound`]; [`Code::OAuthNeeded`] if the provider accepts no passwords;
/// [`Code::ConfirmationNeeded`] if a server is outside the mail domain.
pub(crate) async fn find_missing_servers(
    engine: &Arc<Engine>,
    caller: &Caller,
    accept: &str,
    email: &EmailAddress,
    written: &mut AccountRequest,
) -> Result<(), Problem> {
    if written.imap.is_some() || written.smtp.is_some() {
        return Ok(());
    }
    let found = engine.find_servers(caller, email.domain()).await?;
    let Some(profile) = &found.profile else {
        return Err(nothing(email, &found.steps));
    };
    if profile.imap.is_none() && profile.smtp.is_none() {
        let why = Localised::preferred(&found.recommendation, accept).unwrap_or_default();
        return Err(Problem::new(
            Code::NoServersFound,
            format!("{why} If there are mail servers nevertheless, {WAY_OUT}."),
        ));
    }
    if !written.takes_tokens
        && !profile.auth.is_empty()
        && profile.auth.iter().all(|method| *method == Auth::OAuth2)
    {
        return Err(no_password(engine, profile, accept));
    }
    if found.confirm && !written.confirm {
        return Err(ask(email, &found, profile));
    }
    written.imap = profile.imap.as_ref().map(|server| taken(server, email));
    written.smtp = profile.smtp.as_ref().map(|server| taken(server, email));
    Ok(())
}

fn taken(server: &Server, email: &EmailAddress) -> ServerRequest {
    let username = match server.username {
        Username::Email => email.as_str().to_owned(),
        Username::LocalPart => email.local().to_owned(),
    };
    ServerRequest {
        host: server.host.clone(),
        port: server.port,
        security: server.security,
        username: Some(username),
        pin: None,
    }
}

fn nothing(email: &EmailAddress, steps: &[Step]) -> Problem {
    let sources: Vec<String> = steps
        .iter()
        .map(|step| format!("{} ({}): {}", step.source.as_str(), step.asked, step.reason))
        .collect();
    let detail = format!(
        "no mail servers were found for {}; {WAY_OUT}. Sources: {}",
        email.domain(),
        sources.join("; ")
    );
    Problem::new(Code::NoServersFound, detail)
}

fn no_password(engine: &Engine, profile: &Profile, accept: &str) -> Problem {
    let hint = Localised::preferred(&profile.hints, accept).map(str::to_owned);
    let why = hint.unwrap_or_else(|| format!("{} accepts no passwords.", profile.name));
    let host = profile.imap.as_ref().or(profile.smtp.as_ref()).map(|server| server.host.as_str());
    let way = match host.and_then(|host| engine.authorization_server_for(host)) {
        Some(name) => format!(
            "Instead of `password`, give `\"oauth\": {{\"provider\": \"{name}\"}}`, and have the owner of the mailbox give consent."
        ),
        None => "Instead of `password`, give `oauth` with a `tokenUrl` of your own, or have the operator configure an authorization server ([oauth.server.NAME]).".to_owned(),
    };
    let problem = Problem::new(Code::OAuthNeeded, format!("{why} Connect it by OAuth 2. {way}"));
    match &profile.hint_url {
        Some(url) => problem.with_extra("hintUrl", url),
        None => problem,
    }
}

fn ask(email: &EmailAddress, found: &DiscoveryResult, profile: &Profile) -> Problem {
    let place = |server: &Server| {
        let security = match server.security {
            Security::Tls => "tls",
            Security::StartTls => "starttls",
        };
        format!("{}:{} ({security})", server.host, server.port)
    };
    let servers = [("imap", &profile.imap), ("smtp", &profile.smtp)]
        .into_iter()
        .filter_map(|(name, server)| Some((name, place(server.as_ref()?))));
    let servers: Vec<(&str, String)> = servers.collect();
    let named: Vec<String> =
        servers.iter().map(|(name, place)| format!("{name} {place}")).collect();
    let used = found.steps.iter().find(|step| step.outcome == model::discovery::Outcome::Used);
    let source = used.map_or("discovery", |step| step.source.as_str());
    let detail = format!(
        "{source} names {} for {}, which are outside that domain. If a person has checked that they are correct, send `\"confirm\": true`; otherwise {WAY_OUT}",
        named.join(" and "),
        email.domain()
    );
    let problem = Problem::new(Code::ConfirmationNeeded, detail);
    servers.into_iter().fold(problem, |problem, (name, place)| problem.with_extra(name, place))
}
