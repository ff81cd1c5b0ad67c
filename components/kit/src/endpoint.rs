//! The exports of an endpoint: its operations, and the handler of requests.

/// Exports `describe` with the operations that `$operations` returns, and the HTTP handler that
/// answers each request with `$answer`.
#[macro_export]
macro_rules! endpoint {
    ($operations:path, $answer:path) => {
        /// The component's exports.
        #[derive(Debug)]
        pub struct Component;

        #[cfg(target_family = "wasm")]
        $crate::bindings::export_describe!(Component);
        #[cfg(target_family = "wasm")]
        wasip2::http::proxy::export!(Component);

        impl $crate::bindings::exports::postlet::mail::describe::Guest for Component {
            fn operations() -> Vec<$crate::bindings::exports::postlet::mail::describe::Operation> {
                $operations()
            }
        }

        impl wasip2::exports::http::incoming_handler::Guest for Component {
            fn handle(
                request: wasip2::http::types::IncomingRequest,
                out: wasip2::http::types::ResponseOutparam,
            ) {
                $crate::response::serve(request, out, $answer);
            }
        }
    };
}
