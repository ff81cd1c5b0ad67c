//! HTTP endpoints: one new instance for each request.
//!
//! The guest runs in a task that is owned first by the future of [`Endpoint::handle`] and then by
//! the response body: when the client disconnects, either is dropped and the instance with it. A
//! guest ends when its body is complete, so there is no hidden background work.
//!
//! The head of a response is sent with the first byte of its body, with an empty write (which a
//! flush is), with the end of the response, or when the guest waits for more of the request. For a
//! guest that fails before, or returns an invalid HTTP response, the client gets a problem.
//!
//! Endpoints speak wasi:http 0.2 (`incoming-handler`) or 0.3 (`handler`), under the same limits. An
//! instance of 0.3 serves one request too, although it could serve many: no state of one caller is
//! visible to the next. One that exports both is called by 0.2, which costs half as much.

use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::Body as HttpBody;
use model::caller::Caller;
use model::foreign::ErrorChain;
use model::port::capabilities::Capabilities;
use tokio::sync::oneshot;
use wasmtime_wasi_http::p2::bindings::ProxyPre;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::p3::Request as Concurrent;
use wasmtime_wasi_http::p3::bindings::ServicePre;
use wasmtime_wasi_http::{WasiBody, WasiHttpView};

use crate::body::{Body, Client, Incoming, Outgoing, Wanted};
use crate::component::Component;
use crate::error::{AnswerFault, EndpointError, LimitKind, RuntimeError};
use crate::failure_log::Failure;
use crate::guest_state::{GuestState, HostAccess};
use crate::limits::{Limits, time_budget};
use crate::spawn::{AbortOnDrop, spawn};
use crate::wasm_engine::{Instance, WasmEngine};

/// The header field of a response to a request whose Idempotency-Key was used before. The name is
/// Stripe's: draft-ietf-httpapi-idempotency-key-header has none.
pub const REPLAYED: &str = "idempotent-replayed";

/// A component that serves HTTP, linked and ready. Cheap to share; requests do not wait for each
/// other.
pub struct Endpoint {
    machine: Arc<WasmEngine>,
    handler: Handler,
    name: Arc<str>,
    capabilities: Arc<dyn Capabilities>,
    limits: Limits,
    environment: Arc<[(String, String)]>,
}

/// The handler interface of the component.
enum Handler {
    /// wasi:http 0.2.
    P2(ProxyPre<GuestState>),
    /// wasi:http 0.3.
    P3(ServicePre<GuestState>),
}

impl Endpoint {
    pub(crate) fn new(
        machine: Arc<WasmEngine>,
        component: &Component,
        capabilities: Arc<dyn Capabilities>,
        limits: Limits,
    ) -> Result<Self, RuntimeError> {
        let pre = machine.endpoints.instantiate_pre(&component.compiled);
        let pre = pre.map_err(|error| component.not_linked(error))?;
        let handler = match (ProxyPre::new(pre.clone()), ServicePre::new(pre)) {
            (Ok(pre), _) => Handler::P2(pre),
            (Err(_), Ok(pre)) => Handler::P3(pre),
            (Err(error), Err(_)) => {
                let interface = "wasi:http/incoming-handler (or handler, of WASI 0.3)";
                return Err(component.not_exported(interface, error));
            }
        };
        let name = Arc::clone(&component.name);
        let environment = Arc::new([]);
        Ok(Self { machine, handler, name, capabilities, limits, environment })
    }

    /// The same endpoint with environment variables, by name and value; there are none otherwise.
    #[must_use]
    pub fn with_environment(self, environment: Vec<(String, String)>) -> Self {
        Self { environment: environment.into(), ..self }
    }

    /// The limits of one request.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Passes one request to a new instance and returns when the guest has begun its response.
    ///
    /// Dropping the future, or the response body, ends the instance. Strip the token from the
    /// request first: the guest sees every header but hop-by-hop ones and Host.
    ///
    /// # Errors
    /// When there is no response; the cause is in the log by then. A later error ends the body with
    /// an error, and is logged then.
    pub async fn handle(
        &self,
        caller: Arc<Caller>,
        request: Request<Body>,
    ) -> Result<Response<Body>, EndpointError> {
        let failure = || Failure::new(&self.name, &caller, &self.machine.places);
        let answered = self.answer(Arc::clone(&caller), request, failure()).await;
        answered.inspect_err(|error| failure().log(error))
    }

    async fn answer(
        &self,
        caller: Arc<Caller>,
        request: Request<Body>,
        failure: Failure,
    ) -> Result<Response<Body>, EndpointError> {
        let limit = self.limits.request_body;
        if request.body().size_hint().lower() > limit {
            return Err(EndpointError::BodyTooLarge { limit });
        }
        let place = self.machine.places.endpoint(&caller).await?;
        let capabilities = Arc::clone(&self.capabilities);
        let powers = HostAccess::Endpoint {
            capabilities,
            caller,
            environment: Arc::clone(&self.environment),
        };
        let instance = self.machine.instance(&self.name, &self.limits, powers, place);
        let meter = Arc::clone(&instance.meter);
        let refused = instance.store.data().refused_status();
        let replayed = instance.store.data().replayed();
        let is_head = request.method() == Method::HEAD;
        let client = Arc::new(Client::default());
        let request = with_authority(request)
            .map(|body| Incoming::new(body, Arc::clone(&meter), Arc::clone(&client)));
        let (sender, answer) = oneshot::channel();
        let task = match &self.handler {
            Handler::P2(pre) => begin(pre.clone(), instance, request, sender)?,
            Handler::P3(pre) => begin_concurrent(pre.clone(), instance, request, sender),
        };
        let answer = match answer.await {
            Ok(Ok(answer)) => answer,
            Ok(Err(code)) => {
                return Err(meter.stopped().unwrap_or(EndpointError::Declined(code)));
            }
            // The sender was dropped with the store, so the task is at its end.
            Err(_) => {
                task.end().await?;
                return Err(failure.note(EndpointError::NoAnswer));
            }
        };
        // A guest may respond before it is stopped for a request that turned out too large or too
        // slow.
        if let Some(stopped) = meter.stopped() {
            return Err(failure.note(stopped));
        }
        let (mut head, body) = answer.into_parts();
        let checked = match refused.load(Relaxed).checked_sub(1).map(u16::try_from) {
            Some(Ok(status)) => Err(EndpointError::Answer(AnswerFault::Status(status))),
            Some(Err(_)) | None => self.check(head.status, &mut head.headers),
        };
        let length = checked.map_err(|error| failure.note(error))?;
        if replayed.load(Relaxed) {
            head.headers
                .insert(HeaderName::from_static(REPLAYED), HeaderValue::from_static("true"));
        }
        let wanted = match head.status {
            _ if is_head => Wanted::Head,
            StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED => {
                Wanted::Nothing(head.status.as_u16())
            }
            _ => Wanted::Body,
        };
        // A 304 and the response to HEAD declare the length of a body that is not sent.
        let length = length.filter(|_| wanted == Wanted::Body);
        if length.is_some_and(|length| length > self.limits.response_body) {
            return Err(failure.note(EndpointError::Limit(LimitKind::ResponseBody)));
        }
        let body = Outgoing::new(body, length, meter, failure, task).hold(wanted, &client).await?;
        Ok(Response::from_parts(head, body.boxed_unsync()))
    }

    /// Checks that the head is valid HTTP; returns the declared length of the body.
    fn check(
        &self,
        status: StatusCode,
        fields: &mut HeaderMap,
    ) -> Result<Option<u64>, EndpointError> {
        if !(200..600).contains(&status.as_u16()) {
            return Err(EndpointError::Answer(AnswerFault::Status(status.as_u16())));
        }
        if fields.len() > self.limits.header_count {
            return Err(EndpointError::Limit(LimitKind::Headers));
        }
        let mut lengths = fields.get_all(header::CONTENT_LENGTH).iter();
        let length = match (lengths.next(), lengths.next()) {
            (None, _) => None,
            (Some(one), None) => {
                let number = one.to_str().ok().filter(|text| {
                    !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit())
                });
                let number = number.and_then(|text| text.parse().ok());
                Some(number.ok_or(EndpointError::Answer(AnswerFault::Length))?)
            }
            (Some(_), Some(_)) => return Err(EndpointError::Answer(AnswerFault::Length)),
        };
        // RFC 9110 §8.6: a 204 has none, not even of zero.
        if status == StatusCode::NO_CONTENT {
            fields.remove(header::CONTENT_LENGTH);
        }
        Ok(length)
    }
}

type Answered = Result<Response<WasiBody>, ErrorChain>;

/// Starts a guest of 0.2, which sets its response by a call of its own.
fn begin(
    pre: ProxyPre<GuestState>,
    mut instance: Instance,
    request: Request<Incoming>,
    sender: oneshot::Sender<Answered>,
) -> Result<AbortOnDrop<Result<(), EndpointError>>, EndpointError> {
    let refused = |error: wasmtime::Error| EndpointError::Request(error.into());
    let mut view = instance.store.data_mut().http();
    let request = view.new_incoming_request(Scheme::Http, request).map_err(refused)?;
    let sender = Mutex::new(Some(sender));
    let set = move |answer: Result<Response<WasiBody>, _>| {
        let sender = sender.lock().take();
        let Some(sender) = sender else { return };
        // There is no receiver once the client has disconnected.
        let _ = sender.send(answer.map_err(|code| ErrorChain::words(format_args!("{code:?}"))));
    };
    let out = view.new_response_outparam_from_callback(set).map_err(refused)?;
    Ok(spawn(async move {
        let store = &mut instance.store;
        let ended = time_budget::run(&instance.meter, async {
            let guest = pre.instantiate_async(&mut *store).await?;
            guest.wasi_http_incoming_handler().call_handle(&mut *store, request, out).await
        })
        .await;
        instance.judge(ended)
    }))
}

/// Starts a guest of 0.3, which returns its response and writes the body afterwards. It may run
/// until the reader of the body has reached its end, and is dropped then.
fn begin_concurrent(
    pre: ServicePre<GuestState>,
    mut instance: Instance,
    request: Request<Incoming>,
    sender: oneshot::Sender<Answered>,
) -> AbortOnDrop<Result<(), EndpointError>> {
    spawn(async move {
        let store = &mut instance.store;
        let ended = time_budget::run(&instance.meter, async {
            let guest = pre.instantiate_async(&mut *store).await?;
            let (request, read) = Concurrent::from_http(store.data_mut().http().hooks, request);
            store
                .run_concurrent(async |accessor| {
                    let answer = match guest.handle(accessor, request).await? {
                        Ok(answer) => Ok(accessor.with(|access| answer.into_http(access, read))?),
                        Err(code) => Err(ErrorChain::words(format_args!("{code:?}"))),
                    };
                    if sender.send(answer).is_ok() {
                        std::future::pending::<()>().await;
                    }
                    Ok(())
                })
                .await?
        })
        .await;
        instance.judge(ended)
    })
}

/// wasi:http requires an authority; HTTP/1.0 clients need not send one (RFC 9112 §3.2).
fn with_authority(mut request: Request<Body>) -> Request<Body> {
    if request.uri().authority().is_none() && !request.headers().contains_key(header::HOST) {
        request.headers_mut().insert(header::HOST, HeaderValue::from_static("localhost"));
    }
    request
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Endpoint").field(&self.name).finish()
    }
}
