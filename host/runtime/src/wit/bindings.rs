//! Bindings generated from `wit/`: one invocation of `bindgen!` for each world, and one set of
//! types, so that a draft from an endpoint is a draft for `mime`.

/// The imports of endpoints.
pub(crate) mod capabilities {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "postlet:mail/capabilities",
        imports: { default: async | trappable },
        with: {
            "postlet:mail/types.octets": model::octets::Octets,
            "postlet:mail/uploads.spool": crate::wit::handles::SpoolHandle,
            "postlet:mail/grants.account": model::caller::Grant,
            "postlet:mail/reading.message": crate::wit::handles::MessageHandle,
        },
        trappable_error_type: {
            "postlet:mail/types.problem" => crate::wit::import_error::ImportError,
        },
    });
}

/// The description of an endpoint.
pub(crate) mod describes {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "postlet:mail/describes",
        exports: { default: async },
    });
}

/// The parser and composer of mail.
pub(crate) mod mime_engine {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "postlet:mail/mime-engine",
        imports: { default: async | trappable },
        exports: { default: async },
        with: {
            "postlet:mail/types": crate::wit::bindings::capabilities::postlet::mail::types,
            "postlet:mail/uploads": crate::wit::bindings::capabilities::postlet::mail::uploads,
            "postlet:mail/content": crate::wit::bindings::capabilities::postlet::mail::content,
            "postlet:mail/drafts": crate::wit::bindings::capabilities::postlet::mail::drafts,
        },
    });
}

/// Filters of outgoing mail.
pub(crate) mod before_send {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "postlet:mail/before-send-filter",
        imports: { default: async | trappable },
        exports: { default: async },
        with: {
            "postlet:mail/types": crate::wit::bindings::capabilities::postlet::mail::types,
            "postlet:mail/content": crate::wit::bindings::capabilities::postlet::mail::content,
            "postlet:mail/reading": crate::wit::bindings::capabilities::postlet::mail::reading,
            "postlet:mail/filtering": crate::wit::bindings::mime_engine::postlet::mail::filtering,
        },
    });
}
