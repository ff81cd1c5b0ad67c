//! Isolation benchmark: JSON through a component, against the same handler native in the same
//! binary.
//!
//! The server is this program as a child with one worker thread, so that its CPU time is measured
//! separately and the clients have the other core. Both sides read the body, parse it, add a member
//! and write it; the difference is a fresh instance for each request.

use std::convert::Infallible;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use model::caller::{Caller, Scope};
use model::ids::{RequestId, TokenId};
use runtime::Runtime;
use runtime::body::Body;
use runtime::endpoint::Endpoint;
use runtime::error::BodyError;
use runtime::limits::{Limits, Settings};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

use crate::no_capabilities::Powerless;
use crate::noisy_neighbour;
use crate::size::Size;
use testkit::http::Client;
use testkit::measure::load;
use testkit::measure::report;
use testkit::measure::usage;

const ROLE: &str = "POSTLET_BENCH_ROLE";
const CALLERS: usize = 8;

/// Maximum CPU time that isolation may add to a request, in microseconds.
const GOAL: f64 = 60.0;

/// Measures both sides alternately, and what isolation adds.
pub(crate) fn compare(size: Size) {
    report::heading("JSON echo: a component, in a fresh instance each time, against native code");
    let sides = ["native", "component"].map(Server::start);
    let mut cost = [Vec::new(), Vec::new()];
    let mut speed = [Vec::new(), Vec::new()];
    for _ in 0..size.rounds {
        for (at, side) in sides.iter().enumerate() {
            let (rate, micros) = side.load(size);
            report::rate(side.role, &rate);
            report::figure(&format!("{}: server CPU a request", side.role), micros, "us");
            cost[at].push(micros);
            speed[at].push(rate.per_second);
        }
    }
    let [native, component] = cost.map(report::median);
    let [native_speed, component_speed] = speed.map(report::median);
    report::figure("requests a second, component/native", component_speed / native_speed, "");
    let added = component - native;
    report::goal("isolation: CPU added to a request", added, "us", "<= 60", added <= GOAL);
}

/// Runs the noisy-neighbour benchmark.
pub(crate) fn crowd(size: Size) {
    let server = Server::start("crowd");
    noisy_neighbour::compare(size, server.address);
}

/// Serves if this process was started as the server, and returns true afterwards.
pub(crate) fn serve_if_asked() -> bool {
    let Ok(role) = std::env::var(ROLE) else { return false };
    let threads = if role == "crowd" { 2 } else { 1 };
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(threads).enable_all().build().unwrap();
    let handler = Arc::new(match role.as_str() {
        "native" => Handler::Native,
        "component" => Handler::component(),
        "crowd" => Handler::crowd(),
        other => panic!("no role is named {other}"),
    });
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        report::line(&listener.local_addr().unwrap().to_string());
        serve(listener, handler);
        // The parent holds the other end of standard input: when it exits, so does this process.
        let wait = || drop(std::io::stdin().read_to_end(&mut Vec::new()));
        tokio::task::spawn_blocking(wait).await.unwrap();
    });
    std::process::exit(0)
}

/// The running server of one side.
struct Server {
    role: &'static str,
    child: Child,
    address: std::net::SocketAddr,
}

impl Server {
    fn start(role: &'static str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .env(ROLE, role)
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { role, child, address: line.trim().parse().unwrap() }
    }

    /// The rate, and the CPU time of a request in microseconds.
    fn load(&self, size: Size) -> (load::Rate, f64) {
        let body = json!({
            "to": [{"name": "Bo", "email": "bo@example.net"}],
            "subject": "Hello", "text": "See you at seven, at the usual place.", "priority": 3,
        })
        .to_string();
        let callers = || {
            (0..CALLERS).map(|_| {
                let mut client = Client::new(self.address, None);
                let body = &body;
                move |_: &mut load::Dice| {
                    let headers = [("content-type", "application/json")];
                    let answer = client.call("POST", "/echo", &headers, body.as_bytes());
                    assert_eq!(answer.status, 200);
                    assert!(answer.body.len() > body.len(), "{}", answer.text());
                }
            })
        };
        load::for_a_while(callers().collect(), size.duration / 4);
        let before = usage::cpu(self.child.id());
        let rate = load::for_a_while(callers().collect(), size.duration);
        let spent = usage::cpu(self.child.id()) - before;
        (rate, spent.as_secs_f64() * 1e6 / rate.calls as f64)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

enum Handler {
    Native,
    Component {
        endpoint: Box<Endpoint>,
        caller: Arc<Caller>,
    },
    /// The echo of one tenant, and the busy loops of another.
    Crowd {
        echo: Box<Self>,
        loops: Box<Self>,
    },
}

impl Handler {
    fn component() -> Self {
        let runtime = Runtime::new(Settings::default()).unwrap();
        Self::of("bench", &runtime, guests::ECHO, Limits::default())
    }

    fn crowd() -> Self {
        let runtime = Runtime::new(Settings::default()).unwrap();
        let echo = Self::of("bench", &runtime, guests::ECHO, Limits::default());
        // They end with the benchmark.
        let long = Duration::from_secs(3600);
        let limits = Limits { cpu: long, idle: long, total: long, ..Limits::default() };
        let loops = Self::of("noisy", &runtime, guests::HOSTILE, limits);
        Self::Crowd { echo: Box::new(echo), loops: Box::new(loops) }
    }

    fn of(tenant: &str, runtime: &Runtime, wasm: &[u8], limits: Limits) -> Self {
        let component = runtime.component(tenant, wasm).unwrap();
        let endpoint = runtime.endpoint(&component, Arc::new(Powerless), limits).unwrap();
        let caller = Arc::new(Caller {
            tenant: tenant.parse().unwrap(),
            token: Some(TokenId::generate([1; 10])),
            scopes: Scope::EVERY.to_vec(),
            accounts: None,
            request: RequestId::generate([2; 10]),
            idempotency_key: None,
            confined: None,
        });
        Self::Component { endpoint: Box::new(endpoint), caller }
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        match self {
            Self::Native => native(request).await,
            Self::Component { endpoint, caller } => {
                let request = request
                    .map(|body| body.map_err(|error| BodyError::Read(error.into())).boxed_unsync());
                endpoint.handle(Arc::clone(caller), request).await.unwrap()
            }
            Self::Crowd { echo, loops } => {
                let side = if request.uri().path() == noisy_neighbour::LOOP { loops } else { echo };
                Box::pin(side.answer(request)).await
            }
        }
    }
}

/// The guest's handler, native in the host.
async fn native(request: Request<Incoming>) -> Response<Body> {
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let mut object: Map<String, Value> = serde_json::from_slice(&body).unwrap();
    object.insert("echoed".to_owned(), Value::Bool(true));
    let body = Bytes::from(serde_json::to_vec(&object).unwrap());
    let body = Full::new(body).map_err(|never| match never {}).boxed_unsync();
    Response::builder().header(header::CONTENT_TYPE, "application/json").body(body).unwrap()
}

#[expect(clippy::disallowed_methods, reason = "a bench ends with its process")]
fn serve(listener: TcpListener, handler: Arc<Handler>) {
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            let handler = Arc::clone(&handler);
            let service = service_fn(move |request| {
                let handler = Arc::clone(&handler);
                async move { Ok::<_, Infallible>(handler.answer(request).await) }
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service);
            // A client that disconnects is no error.
            tokio::spawn(async move { drop(connection.await) });
        }
    });
}
