//! wasmtime: compile, describe, instances, capabilities and the caller of the mime component.
