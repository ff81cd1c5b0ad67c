//! Sandbox probes: looking for what a component must not have.
//!
//! Each function returns what it found as JSON: `null` or an error where there was nothing.

use std::env;
use std::fs;

use kit::bindings::postlet::mail::accounts;
use kit::problem::Problem;
use kit::request::Request;
use serde_json::{Value, json};
use wasip2::filesystem::preopens::get_directories;
use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::{Fields, OutgoingRequest, Scheme};
use wasip2::sockets::instance_network::instance_network;
use wasip2::sockets::ip_name_lookup::resolve_addresses;
use wasip2::sockets::network::{IpAddressFamily, IpSocketAddress, Ipv4SocketAddress};
use wasip2::sockets::tcp_create_socket::create_tcp_socket;
use wasip2::sockets::udp_create_socket::create_udp_socket;

/// `{"tcp": "connected" or the error, "udp": …, "names": …}`.
pub(crate) fn sockets() -> Value {
    json!({ "tcp": told(tcp()), "udp": told(udp()), "names": told(names()) })
}

fn told<E: std::fmt::Debug>(outcome: Result<&'static str, E>) -> String {
    outcome.map_or_else(|error| format!("{error:?}"), str::to_owned)
}

type Socket = wasip2::sockets::network::ErrorCode;

fn tcp() -> Result<&'static str, Socket> {
    let socket = create_tcp_socket(IpAddressFamily::Ipv4)?;
    socket.start_connect(&instance_network(), loopback(25))?;
    loop {
        match socket.finish_connect() {
            Ok(_) => return Ok("connected"),
            Err(Socket::WouldBlock) => socket.subscribe().block(),
            Err(error) => return Err(error),
        }
    }
}

fn udp() -> Result<&'static str, Socket> {
    let socket = create_udp_socket(IpAddressFamily::Ipv4)?;
    socket.start_bind(&instance_network(), loopback(0))?;
    socket.finish_bind()?;
    Ok("bound")
}

fn names() -> Result<&'static str, Socket> {
    let stream = resolve_addresses(&instance_network(), "localhost")?;
    loop {
        match stream.resolve_next_address() {
            Ok(_) => return Ok("resolved"),
            Err(Socket::WouldBlock) => stream.subscribe().block(),
            Err(error) => return Err(error),
        }
    }
}

fn loopback(port: u16) -> IpSocketAddress {
    IpSocketAddress::Ipv4(Ipv4SocketAddress { port, address: (127, 0, 0, 1) })
}

/// `{"outbound": the status or the error}`.
pub(crate) fn outbound(host: &str) -> Value {
    let request = OutgoingRequest::new(Fields::new());
    let set = request
        .set_scheme(Some(&Scheme::Http))
        .and_then(|()| request.set_authority(Some(host)))
        .and_then(|()| request.set_path_with_query(Some("/")));
    if set.is_err() {
        return json!({ "outbound": "not an authority" });
    }
    let response = match handle(request, None) {
        Ok(response) => response,
        Err(error) => return json!({ "outbound": format!("{error:?}") }),
    };
    response.subscribe().block();
    match response.get() {
        Some(Ok(Ok(response))) => json!({ "outbound": response.status() }),
        other => json!({ "outbound": format!("{other:?}") }),
    }
}

/// `{"preopens": [paths], "read": {path: the length or the error}, "written": …}`.
pub(crate) fn files() -> Value {
    let preopens: Vec<String> = get_directories().into_iter().map(|(_, path)| path).collect();
    let read = |path: &str| match fs::read(path) {
        Ok(bytes) => json!(bytes.len()),
        Err(error) => json!(error.to_string()),
    };
    let written =
        fs::write("/tmp/hostile", b"x").map_or_else(|e| json!(e.to_string()), |()| json!(true));
    json!({
        "preopens": preopens,
        "read": { "/etc/passwd": read("/etc/passwd"), ".": read("."), "/proc/self/environ": read("/proc/self/environ") },
        "written": written,
    })
}

/// `{"env": {name: value}, "args": [...]}`.
pub(crate) fn environment() -> Value {
    json!({
        "env": env::vars().collect::<std::collections::BTreeMap<_, _>>(),
        "args": env::args().collect::<Vec<_>>(),
    })
}

/// `{"found"}`: how often the reversed text occurs in linear memory.
pub(crate) fn remember(backwards: &str) -> Value {
    let kept = std::hint::black_box("a word that the guest keeps");
    let backwards = backwards.as_bytes();
    let size = core::arch::wasm32::memory_size(0) << 16;
    // SAFETY: linear memory is readable from zero to its size; nothing else runs here.
    #[expect(unsafe_code, reason = "reads memory that no reference covers")]
    let memory = |at: usize| unsafe { std::ptr::with_exposed_provenance::<u8>(at).read_volatile() };
    // Not from address zero, which is invalid for a reference.
    let starts = 1..size.saturating_sub(backwards.len());
    let same = |start: &usize| {
        (0..).map(|index| memory(start + index)).zip(backwards.iter().rev()).all(|(a, b)| a == *b)
    };
    let found = if backwards.is_empty() { 0 } else { starts.filter(same).count() };
    json!({ "found": found, "kept": kept.len() })
}

/// `{"id", "email"}` of an account that should not have opened.
pub(crate) fn open(account: &str) -> Result<Value, Problem> {
    let account = accounts::open(account)?;
    Ok(json!({ "id": account.id(), "email": account.email() }))
}

/// `{"fields": [[name, value]]}`: the header fields that the host passed on.
pub(crate) fn fields(request: &Request) -> Value {
    let fields: Vec<_> = request
        .all_fields()
        .into_iter()
        .map(|(name, value)| (name, String::from_utf8_lossy(&value).into_owned()))
        .collect();
    json!({ "fields": fields })
}
