//! Compile bombs and link errors: components that must not be compiled or linked.

use wasm_encoder::{
    BlockType, CodeSection, Component, ComponentImportSection, ComponentTypeRef,
    ComponentTypeSection, Function, FunctionSection, Module, ModuleSection, PrimitiveValType,
    TypeSection, ValType,
};

/// Three hundred thousand functions in two megabytes: compiling them would take minutes.
pub(crate) fn function_bomb() -> Vec<u8> {
    const FUNCTIONS: u32 = 300_000;
    let (mut types, mut functions, mut codes) =
        (TypeSection::new(), FunctionSection::new(), CodeSection::new());
    types.ty().function([ValType::I32], [ValType::I32]);
    let mut body = Function::new([]);
    body.instructions().local_get(0).i32_const(1).i32_add().end();
    for _ in 0..FUNCTIONS {
        functions.function(0);
        codes.function(&body);
    }
    wrapped(&types, &functions, &codes)
}

/// Nine hundred nested loops over as many locals, a hundred times, in two megabytes: a minute of
/// register allocation, and memory that grows quadratically.
pub(crate) fn loop_bomb() -> Vec<u8> {
    const DEPTH: u32 = 900;
    const LOCALS: u32 = 950;
    const COPIES: u32 = 100;
    let (mut types, mut functions, mut codes) =
        (TypeSection::new(), FunctionSection::new(), CodeSection::new());
    types.ty().function([ValType::I32], []);
    let mut body = Function::new([(LOCALS, ValType::I32)]);
    for local in 1..=LOCALS {
        body.instructions().local_get(0).i32_const(local.cast_signed()).i32_add().local_set(local);
    }
    for depth in 0..DEPTH {
        let local = depth % LOCALS + 1;
        body.instructions().loop_(BlockType::Empty).local_get(local).local_get(0).i32_add();
        body.instructions().local_set(local);
    }
    for _ in 0..DEPTH {
        body.instructions().local_get(0).br_if(0).end();
    }
    body.instructions().end();
    for _ in 0..COPIES {
        functions.function(0);
        codes.function(&body);
    }
    wrapped(&types, &functions, &codes)
}

/// A component that imports a function that no host provides.
pub(crate) fn missing_import() -> Vec<u8> {
    let mut types = ComponentTypeSection::new();
    types
        .function()
        .params([("what", PrimitiveValType::String)])
        .result(Some(PrimitiveValType::U32.into()));
    let mut imports = ComponentImportSection::new();
    imports.import("launch-missiles", ComponentTypeRef::Func(0));
    let mut component = Component::new();
    component.section(&types).section(&imports);
    component.finish()
}

/// A component that consists of one module.
fn wrapped(types: &TypeSection, functions: &FunctionSection, codes: &CodeSection) -> Vec<u8> {
    let mut module = Module::new();
    module.section(types).section(functions).section(codes);
    let mut component = Component::new();
    component.section(&ModuleSection(&module));
    component.finish()
}
