//! Runs a command component, such as the test binary of a guest: `wasi-runner FILE.wasm ARGUMENT…`.
//!
//! Cargo calls it where CARGO_TARGET_WASM32_WASIP2_RUNNER names it, so that guests are tested as
//! WebAssembly: 32 bits wide, with the tables that macros generated for them, and aborting on
//! panic.
//!
//! The component has its arguments, standard output and standard error; no file, no network, no
//! environment variable. Its other imports (a guest imports functions of Postlet's host) are
//! defined as functions that trap.
//!
//! Standard: WASI 0.2 (`wasi:cli/command`).

use std::process::ExitCode;

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker, ResourceTable, ResourceType};
use wasmtime::error::Context;
use wasmtime::{Config, Engine, OptLevel, Result, Store, bail};
use wasmtime_wasi::p2::bindings::io::error::Error as IoError;
use wasmtime_wasi::p2::bindings::sync::Command;
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, DynPollable, add_to_linker_sync};
use wasmtime_wasi::{I32Exit, WasiCtx, WasiCtxView, WasiView};

/// The usage error of sysexits.h; a test harness uses 0 and 1.
const USAGE: u8 = 64;

/// The interfaces that [`add_to_linker_sync`] defines.
const PROVIDED: [&str; 6] =
    ["wasi:cli/", "wasi:clocks/", "wasi:filesystem/", "wasi:io/", "wasi:random/", "wasi:sockets/"];

struct Guest {
    table: ResourceTable,
    wasi: WasiCtx,
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

#[expect(clippy::print_stderr, reason = "a command says what went wrong")]
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(file) = arguments.first() else {
        eprintln!("usage: wasi-runner FILE.wasm [ARGUMENT…]");
        return ExitCode::from(USAGE);
    };
    match run(file, &arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("wasi-runner: {error:?}");
            ExitCode::FAILURE
        }
    }
}

/// Defines imports that no command may use, as functions that trap. (The linker's own method for
/// that treats every version of WASI but its own as unknown.)
fn trap(linker: &mut Linker<Guest>, component: &Component) -> Result<()> {
    let engine = component.engine();
    for (interface, item) in component.component_type().imports(engine) {
        let ComponentItem::ComponentInstance(instance) = item.ty else { continue };
        if PROVIDED.iter().any(|package| interface.starts_with(package)) {
            continue;
        }
        let mut unknown = linker.instance(interface)?;
        for (name, item) in instance.exports(engine) {
            let told = format!("{interface}#{name} is not there: this is no Postlet");
            if matches!(item.ty, ComponentItem::ComponentFunc(_)) {
                unknown.func_new(name, move |_, _, _, _| bail!("{told}"))?;
            } else if matches!(item.ty, ComponentItem::Resource(_)) {
                unknown.resource(name, resource(name), |_, _| Ok(()))?;
            }
        }
    }
    Ok(())
}

/// A resource that an interface uses from `wasi:io` must be the same as there, where it is
/// provided.
fn resource(name: &str) -> ResourceType {
    match name {
        "input-stream" => ResourceType::host::<DynInputStream>(),
        "output-stream" => ResourceType::host::<DynOutputStream>(),
        "pollable" => ResourceType::host::<DynPollable>(),
        "io-error" => ResourceType::host::<IoError>(),
        _ => ResourceType::host::<()>(),
    }
}

/// `arguments` begin with the program's own name, by convention.
fn run(file: &str, arguments: &[String]) -> Result<ExitCode> {
    let mut config = Config::new();
    // Tests run for less time than optimised compilation would take.
    config.cranelift_opt_level(OptLevel::None);
    let engine = Engine::new(&config)?;
    let component = Component::from_file(&engine, file).with_context(|| file.to_owned())?;
    let mut linker: Linker<Guest> = Linker::new(&engine);
    add_to_linker_sync(&mut linker)?;
    trap(&mut linker, &component)?;
    let wasi = WasiCtx::builder().inherit_stdout().inherit_stderr().args(arguments).build();
    let mut store = Store::new(&engine, Guest { table: ResourceTable::new(), wasi });
    let command = Command::instantiate(&mut store, &component, &linker)?;
    match command.wasi_cli_run().call_run(&mut store) {
        Ok(Ok(())) => Ok(ExitCode::SUCCESS),
        Ok(Err(())) => Ok(ExitCode::FAILURE),
        Err(error) => match error.downcast_ref::<I32Exit>() {
            Some(exit) => Ok(ExitCode::from(u8::try_from(exit.0).unwrap_or(u8::MAX))),
            None => Err(error),
        },
    }
}
