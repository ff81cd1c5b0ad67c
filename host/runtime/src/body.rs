//! Bodies on their way in and out of a guest: counted, capped, and tied to the
//! instance's life.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Body as HttpBody;
use hyper::body::{Frame, SizeHint};
use wasmtime_wasi_http::Error as HttpError;
use wasmtime_wasi_http::WasiBody;

use crate::error::{BodyError, EndpointError, Which, chain};
use crate::meter::Meter;
use crate::places::Places;
use crate::spawn::Owned;

/// A body, as the server gives and takes it.
pub type Body = UnsyncBoxBody<Bytes, BodyError>;

/// A request's body on its way to the guest.
pub(crate) struct Incoming {
    inner: Body,
    left: u64,
    meter: Arc<Meter>,
}

/// An answer's body on its way from the guest. Dropping it ends the guest.
pub(crate) struct Outgoing {
    inner: WasiBody,
    left: u64,
    meter: Arc<Meter>,
    places: Arc<Places>,
    over: bool,
    /// The guest itself; gone once its answer is cut.
    task: Option<Owned<Result<(), EndpointError>>>,
}

impl Incoming {
    pub(crate) fn new(inner: Body, meter: Arc<Meter>) -> Self {
        Self { inner, left: meter.limits().request_body, meter }
    }
}

impl HttpBody for Incoming {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let frame = match Pin::new(&mut self.inner).poll_frame(context) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Ready(Some(Err(error))) => {
                tracing::debug!("the request's body broke off: {}", chain(&error));
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
    pub(crate) fn new(
        inner: WasiBody,
        meter: Arc<Meter>,
        places: Arc<Places>,
        task: Owned<Result<(), EndpointError>>,
    ) -> Self {
        let left = meter.limits().response_body;
        Self { inner, left, meter, places, over: false, task: Some(task) }
    }

    fn cut(&mut self, error: BodyError) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.task = None;
        self.over = true;
        Poll::Ready(Some(Err(error)))
    }
}

impl HttpBody for Outgoing {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.over {
            return Poll::Ready(None);
        }
        let frame = match Pin::new(&mut self.inner).poll_frame(context) {
            Poll::Pending => return Poll::Pending,
            // A guest that trapped closes its body like one that finished it.
            Poll::Ready(None) if self.meter.failed() => return self.cut(BodyError::Incomplete),
            Poll::Ready(None) => {
                self.over = true;
                return Poll::Ready(None);
            }
            // The guest's end was told in the log by whoever ended it.
            Poll::Ready(Some(Err(_))) => return self.cut(BodyError::Incomplete),
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
                self.places.note(&EndpointError::Limit(Which::ResponseBody));
                let limit = self.meter.limits().response_body;
                self.cut(BodyError::TooLarge { limit })
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.over || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
