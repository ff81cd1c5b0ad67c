//! Request and response bodies of a guest: counted, limited, and bound to the instance's lifetime.
//!
//! The beginning of a response body is held back ([`Outgoing::hold`]), so that an error by then is
//! still returned as a problem. A later error aborts the body, so that no client takes it as
//! complete, and is logged.
//!
//! Standard: RFC 9110 §8.6 (Content-Length).

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Body as HttpBody;
use hyper::body::{Frame, SizeHint};
use wasmtime_wasi_http::Error as HttpError;
use wasmtime_wasi_http::WasiBody;

use crate::error::{AnswerFault, BodyError, EndpointError, LimitKind, chain};
use crate::failure_log::Failure;
use crate::limits::time_budget::TimeBudget;
use crate::spawn;
use crate::spawn::AbortOnDrop;

/// A body whose declared length is at most this is held back whole.
const HELD: u64 = 64 << 10;

/// A body, as exchanged with the server.
pub type Body = UnsyncBoxBody<Bytes, BodyError>;

/// A request body on its way to the guest.
pub(crate) struct Incoming {
    inner: Body,
    left: u64,
    meter: Arc<TimeBudget>,
    client: Arc<Client>,
}

/// Whether the guest waits for more of the request: a client may itself wait for the head of the
/// response.
#[derive(Debug, Default)]
pub(crate) struct Client {
    awaited: AtomicBool,
    changed: AtomicWaker,
}

/// A response body on its way from the guest. Dropping it ends the guest.
pub(crate) struct Outgoing {
    inner: WasiBody,
    /// Bytes left until the limit.
    left: u64,
    /// The declared length, and how much of it has not come yet.
    length: Option<(u64, u64)>,
    held: VecDeque<Frame<Bytes>>,
    meter: Arc<TimeBudget>,
    failure: Failure,
    stage: Stage,
    /// The error that ends the body once all before it was sent.
    broken: Option<BodyError>,
    /// The guest itself; gone once its response is cut.
    task: Option<AbortOnDrop<Result<(), EndpointError>>>,
}

/// The progress of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// More may come.
    Open,
    /// The guest failed, and its error is about to arrive.
    Failing,
    /// Complete or aborted.
    Over,
}

/// What may follow the head of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// A body.
    Body,
    /// No body, because of this status.
    Nothing(u16),
    /// No body is sent: the response to HEAD (RFC 9110 §9.3.2).
    Head,
}

impl Incoming {
    pub(crate) fn new(inner: Body, meter: Arc<TimeBudget>, client: Arc<Client>) -> Self {
        Self { inner, left: meter.limits().request_body, meter, client }
    }
}

impl HttpBody for Incoming {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(context);
        self.client.awaited.store(polled.is_pending(), Relaxed);
        let frame = match polled {
            Poll::Pending => {
                self.client.changed.wake();
                return Poll::Pending;
            }
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Ready(Some(Err(error))) => {
                tracing::debug!("the request's body broke off: {}", chain(&error));
                if let BodyError::TooSlow { rate } = error {
                    self.meter.slow(rate);
                }
                return Poll::Ready(Some(Err(HttpError::ConnectionTerminated)));
            }
            Poll::Ready(Some(Ok(frame))) => frame,
        };
        self.meter.touch();
        let length = frame.data_ref().map_or(0, |bytes| bytes.len() as u64);
        match self.left.checked_sub(length) {
            Some(left) => {
                self.left = left;
                Poll::Ready(Some(Ok(frame)))
            }
            None => {
                self.meter.overlong();
                let limit = self.meter.limits().request_body;
                Poll::Ready(Some(Err(HttpError::HttpRequestBodySize(Some(limit)))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Outgoing {
    /// `length` is the declared length.
    pub(crate) fn new(
        inner: WasiBody,
        length: Option<u64>,
        meter: Arc<TimeBudget>,
        failure: Failure,
        task: AbortOnDrop<Result<(), EndpointError>>,
    ) -> Self {
        Self {
            inner,
            left: meter.limits().response_body,
            length: length.map(|length| (length, length)),
            held: VecDeque::new(),
            meter,
            failure,
            stage: Stage::Open,
            broken: None,
            task: Some(task),
        }
    }

    /// Waits for the first piece, which may be empty, or the end. A short body of declared length,
    /// and one that must not exist, are awaited whole. A client that waits for the head gets it.
    pub(crate) async fn hold(
        mut self,
        wanted: Wanted,
        client: &Client,
    ) -> Result<Self, EndpointError> {
        let short = self.length.is_some_and(|(length, _)| length <= HELD);
        let whole = short || matches!(wanted, Wanted::Nothing(_));
        while let Some(frame) = poll_fn(|context| {
            client.changed.register(context.waker());
            let polled = self.poll_next(context);
            let stuck = polled.is_pending() && client.awaited.load(Relaxed);
            if stuck { Poll::Ready(None) } else { polled }
        })
        .await
        {
            let frame = match frame {
                // Most likely the length differs: of a body that is not sent.
                Err(EndpointError::Answer(_)) if wanted == Wanted::Head => break,
                frame => frame?,
            };
            if let Wanted::Nothing(status) = wanted
                && frame.data_ref().is_some_and(|bytes| !bytes.is_empty())
            {
                return Err(self.failure.note(EndpointError::Answer(AnswerFault::Body(status))));
            }
            self.held.push_back(frame);
            if !whole {
                break;
            }
        }
        Ok(self)
    }

    fn poll_next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, EndpointError>>> {
        loop {
            match self.stage {
                Stage::Over => return Poll::Ready(None),
                Stage::Failing => {
                    let Some(task) = &mut self.task else {
                        return self.cut(EndpointError::Answer(AnswerFault::Unfinished));
                    };
                    let error = match ready!(Pin::new(task).poll(context)) {
                        Ok(Err(error)) => error,
                        Ok(Ok(())) => EndpointError::Answer(AnswerFault::Unfinished),
                        Err(panicked) => spawn::ended(&panicked),
                    };
                    return self.end(error);
                }
                Stage::Open => {}
            }
            let frame = match ready!(Pin::new(&mut self.inner).poll_frame(context)) {
                Some(Ok(frame)) => frame,
                // A guest that trapped closes its body like one that completed it.
                None | Some(Err(_)) if self.meter.failed() => {
                    self.stage = Stage::Failing;
                    continue;
                }
                Some(Err(HttpError::HttpResponseBodySize(_))) => return self.wrong_length(),
                Some(Err(_)) if self.is_due() => return self.wrong_length(),
                Some(Err(_)) => {
                    let error = EndpointError::Answer(AnswerFault::Unfinished);
                    return self.cut(error);
                }
                None if self.is_due() => return self.wrong_length(),
                None => {
                    self.stage = Stage::Over;
                    return Poll::Ready(None);
                }
            };
            return self.take(frame);
        }
    }

    /// Counts a piece.
    fn take(&mut self, frame: Frame<Bytes>) -> Poll<Option<Result<Frame<Bytes>, EndpointError>>> {
        self.meter.touch();
        let bytes = frame.data_ref().map_or(0, |bytes| bytes.len() as u64);
        let Some(left) = self.left.checked_sub(bytes) else {
            return self.cut(EndpointError::Limit(LimitKind::ResponseBody));
        };
        self.left = left;
        if let Some((_, due)) = &mut self.length {
            let Some(still) = due.checked_sub(bytes) else { return self.wrong_length() };
            *due = still;
        }
        Poll::Ready(Some(Ok(frame)))
    }

    /// Whether less has come than the head declared.
    fn is_due(&self) -> bool {
        self.length.is_some_and(|(_, due)| due > 0)
    }

    fn wrong_length(&mut self) -> Poll<Option<Result<Frame<Bytes>, EndpointError>>> {
        let length = self.length.map_or(0, |(length, _)| length);
        self.cut(EndpointError::Answer(AnswerFault::OtherLength(length)))
    }

    /// The guest's own end: an error of the response unless every declared byte has come.
    fn end(&mut self, error: EndpointError) -> Poll<Option<Result<Frame<Bytes>, EndpointError>>> {
        self.task = None;
        self.stage = Stage::Over;
        if self.length.is_some_and(|(length, due)| length > 0 && due == 0) {
            self.failure.log(&error);
            return Poll::Ready(None);
        }
        Poll::Ready(Some(Err(error)))
    }

    fn cut(&mut self, error: EndpointError) -> Poll<Option<Result<Frame<Bytes>, EndpointError>>> {
        self.task = None;
        self.stage = Stage::Over;
        Poll::Ready(Some(Err(self.failure.note(error))))
    }
}

impl HttpBody for Outgoing {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(frame) = self.held.pop_front() {
            return Poll::Ready(Some(Ok(frame)));
        }
        if let Some(error) = self.broken.take() {
            return Poll::Ready(Some(Err(error)));
        }
        match ready!(self.poll_next(context)) {
            None => Poll::Ready(None),
            Some(Ok(frame)) => Poll::Ready(Some(Ok(frame))),
            Some(Err(error)) => {
                self.failure.log(&error);
                let limit = self.meter.limits().response_body;
                let too_large = matches!(error, EndpointError::Limit(LimitKind::ResponseBody));
                self.broken = Some(if too_large {
                    BodyError::TooLarge { limit }
                } else {
                    BodyError::Incomplete
                });
                // hyper drops what it has not written yet when a body fails, including the head,
                // and writes it when a body is pending.
                context.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.held.is_empty()
            && self.broken.is_none()
            && (self.stage == Stage::Over
                || (self.stage == Stage::Open && !self.is_due() && self.inner.is_end_stream()))
    }

    fn size_hint(&self) -> SizeHint {
        let held = self.held.iter().filter_map(|frame| frame.data_ref());
        let held: u64 = held.map(|bytes| bytes.len() as u64).sum();
        match self.length {
            Some((_, due)) => SizeHint::with_exact(held + due),
            None if held == 0 => self.inner.size_hint(),
            None => SizeHint::default(),
        }
    }
}
