//! Recognition of common wrong files before anything is compiled.
//!
//! Authors most often supply something close to a component: a core module, a component for another
//! host, or one of another version. The compiler's and the linker's errors on those do not help, so
//! each gets a sentence with a remedy. Only names and first bytes are examined; the compiler checks
//! validity.
//!
//! Standards: WebAssembly core 3.0 §5.5.16 and the component model's Binary.md (preambles).

use model::foreign::ErrorChain;
use rules::foreign_text;
use wasmparser::{Parser, Payload};

/// The version of `postlet:mail` that this host implements.
pub const CONTRACT: &str = "0.1.0";

/// `\0asm`, and the layers that are distinguished by the fields after it.
const MAGIC: &[u8] = b"\0asm";
const CORE_MODULE: &[u8] = b"\x01\0\0\0";
const COMPONENT: &[u8] = b"\x0d\0\x01\0";

/// First bytes of compressed files and archives, with their format.
const PACKED: [(&[u8], &str); 5] = [
    (b"\x1f\x8b", "gzip"),
    (b"PK\x03\x04", "zip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\xfd7zXZ\0", "xz"),
    (b"BZh", "bzip2"),
];

/// First bytes of machine code. Code that wasmtime compiled is an ELF file, too.
const NATIVE: [(&[u8], &str); 4] = [
    (b"\x7fELF", "an ELF file"),
    (b"MZ", "a program for Windows"),
    (b"\xcf\xfa\xed\xfe", "a program for macOS"),
    (b"!<arch>\n", "a library of object files"),
];

/// Services of Spin that have another form here.
const INSTEAD: [(&str, &str); 2] = [
    ("variables", "read the environment, which holds the manifest's `variables`"),
    ("config", "read the environment, which holds the manifest's `variables`"),
];

/// Maximum length in bytes of a name in an error.
const NAME: usize = 120;

/// The kind of a file that this host cannot run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WrongFile {
    /// An empty file.
    #[error("the file is empty: the build did not write it, or wrote another one")]
    Empty,
    /// A core WebAssembly module.
    #[error(
        "it is a core module, not a component: build it for wasm32-wasip2, or make a component of it \
         with `wasm-tools component new`, componentize-js or componentize-py"
    )]
    CoreModule,
    /// WebAssembly of another layer or draft.
    #[error(
        "it is WebAssembly of a version that is neither a module's nor a component's: build it with newer tools"
    )]
    OtherVersion,
    /// The text format.
    #[error(
        "it is WebAssembly's text format: `wasm-tools parse in.wat -o out.wasm` makes the binary"
    )]
    Text,
    /// Compressed, or an archive.
    #[error("it is packed by {0}: unpack it, and name the .wasm file that was in it")]
    Packed(&'static str),
    /// Machine code.
    #[error("it is {0}, which is code for one kind of machine: build it for wasm32-wasip2")]
    Native(&'static str),
    /// Anything else.
    #[error("it is no WebAssembly: it begins with `{0}`")]
    Other(ErrorChain),
    /// A release candidate of WASI.
    #[error(
        "it {verb} `{name}`, a release candidate of WASI: this host has the releases 0.2 and 0.3.0; \
         build it with tools that have one of them"
    )]
    ReleaseCandidate {
        /// `imports` or `exports`.
        verb: &'static str,
        /// The interface.
        name: ErrorChain,
    },
    /// A service of Spin.
    #[error("it {verb} `{name}`, a service of Spin's that there is not here: {instead}")]
    OfSpin {
        /// `imports` or `exports`.
        verb: &'static str,
        /// The interface.
        name: ErrorChain,
        /// The replacement.
        instead: &'static str,
    },
    /// `postlet:mail` of another version.
    #[error(
        "it {verb} `{name}`, and this host's contract is postlet:mail@{CONTRACT}: take `wit/` from \
         /-/wit.tar of the host, and build it again"
    )]
    OtherContract {
        /// `imports` or `exports`.
        verb: &'static str,
        /// The interface.
        name: ErrorChain,
    },
    /// A function that this version of `postlet:mail` does not have.
    #[error(
        "it imports `{function}` of `{interface}`, which this host's contract postlet:mail@{CONTRACT} \
         does not have: take `wit/` from /-/wit.tar of the host, and build it again"
    )]
    NotInContract {
        /// The function, or a resource.
        function: ErrorChain,
        /// Its interface.
        interface: ErrorChain,
    },
    /// A function that `postlet:mail` has with another type.
    #[error(
        "it imports `{function}` of `{interface}` with another type than this host's contract \
         postlet:mail@{CONTRACT} has it ({reason}): take `wit/` from /-/wit.tar of the host, and build \
         it again"
    )]
    OtherType {
        /// The function, or a resource.
        function: ErrorChain,
        /// Its interface.
        interface: ErrorChain,
        /// The linker's error.
        reason: ErrorChain,
    },
    /// A function of another package than `postlet:mail`.
    #[error(
        "it imports `{function}` of `{interface}`, which this host does not have: it has \
         postlet:mail@{CONTRACT}, and of WASI 0.2 and 0.3.0 the command line's interfaces and HTTP"
    )]
    NotHere {
        /// The function, or a resource.
        function: ErrorChain,
        /// Its interface.
        interface: ErrorChain,
    },
    /// A program with a `main`.
    #[error(
        "it is a command (it exports `{0}`), and nothing of it answers requests or judges mail: in \
         Rust, make the crate a library with `crate-type = [\"cdylib\"]` that exports a world of \
         postlet:mail"
    )]
    Command(ErrorChain),
    /// Without exports it cannot be called.
    #[error("it exports nothing at all (in Rust, `export!` is missing)")]
    NoExports,
    /// A filter that was given a route.
    #[error("it is a filter: bind it with [[trigger.mail]] instead of [[trigger.http]]")]
    Filter,
    /// An endpoint that was bound as a filter.
    #[error("it is an endpoint: give it a route with [[trigger.http]] instead of [[trigger.mail]]")]
    Endpoint,
    /// An import that only endpoints have.
    #[error(
        "it imports `{0}`, which a filter may not: a filter reads the one message that it is lent \
         (postlet:mail/reading, with content, types and filtering) and has WASI 0.2; everything \
         else is for endpoints"
    )]
    NotForFilters(ErrorChain),
}

/// Examines the first bytes, and a component's imports and exports. Linear in the file, of which it
/// reads only the heads of the sections.
pub(crate) fn recognise(wasm: &[u8]) -> Result<(), WrongFile> {
    match wasm.strip_prefix(MAGIC) {
        Some(rest) if rest.starts_with(COMPONENT) => look_at_names(wasm),
        Some(rest) if rest.starts_with(CORE_MODULE) => Err(WrongFile::CoreModule),
        Some(_) => Err(WrongFile::OtherVersion),
        None => Err(not_webassembly(wasm)),
    }
}

/// The first of a filter's imports that only endpoints may have.
pub(crate) fn not_for_filters<'a>(imports: impl Iterator<Item = &'a str>) -> Option<WrongFile> {
    const OURS: [&str; 4] = ["types", "content", "reading", "filtering"];
    /// Interfaces of types that come with functions; the functions show better what was meant.
    const ALONG: [&str; 3] = ["grants", "drafts", "outcomes"];
    const WASI: [&str; 7] = ["cli", "clocks", "filesystem", "http", "io", "random", "sockets"];
    let known = |import: &str| match package(import) {
        Some(("postlet:mail", interface, _)) => OURS.contains(&interface),
        Some((package, _, version)) => package
            .strip_prefix("wasi:")
            .is_some_and(|name| WASI.contains(&name) && version.starts_with("0.2.")),
        // Types at the root give access to nothing.
        None => true,
    };
    let mut first = None;
    for import in imports.filter(|import| !known(import)) {
        let along = package(import).is_some_and(|(_, interface, _)| ALONG.contains(&interface));
        if !along {
            return Some(WrongFile::NotForFilters(name(import)));
        }
        first.get_or_insert(import);
    }
    first.map(|import| WrongFile::NotForFilters(name(import)))
}

/// The import that the linker refused, from the texts of its error, outermost first: wasmtime names it
/// only there. None for other texts.
pub(crate) fn not_linked(texts: &[String]) -> Option<WrongFile> {
    fn quoted<'a>(text: &'a str, before: &str) -> Option<&'a str> {
        text.strip_prefix(before)?.split('`').next()
    }
    let [import, export, reasons @ ..] = texts else { return None };
    let import = quoted(import, "component imports instance `")?;
    // `[method]message.body` and `[constructor]spool` in the binary.
    let function = quoted(export, "instance export `")?;
    let function = function.rsplit_once(']').map_or(function, |(_, function)| function);
    let is_ours = package(import).is_some_and(|(package, _, _)| package == "postlet:mail");
    let is_missing = reasons.last()?.ends_with(" implementation is missing");
    let (function, interface) = (name(function), name(import));
    match (is_ours, is_missing) {
        (true, true) => Some(WrongFile::NotInContract { function, interface }),
        (true, false) => {
            let reason = ErrorChain::words(foreign_text::within(2 * NAME, reasons.join(": ")));
            Some(WrongFile::OtherType { function, interface, reason })
        }
        (false, true) => Some(WrongFile::NotHere { function, interface }),
        (false, false) => None,
    }
}

/// The kind of a component that lacks the export it was bound for.
pub(crate) fn by_exports<'a>(exports: impl Iterator<Item = &'a str>) -> Option<WrongFile> {
    let mut none = true;
    for export in exports {
        none = false;
        match package(export) {
            Some(("wasi:cli", "run", _)) => return Some(WrongFile::Command(name(export))),
            Some(("postlet:mail", "before-send", _)) => return Some(WrongFile::Filter),
            Some(("wasi:http", "incoming-handler" | "handler", _)) => {
                return Some(WrongFile::Endpoint);
            }
            Some(_) | None => {}
        }
    }
    none.then_some(WrongFile::NoExports)
}

fn not_webassembly(bytes: &[u8]) -> WrongFile {
    if bytes.is_empty() {
        return WrongFile::Empty;
    }
    if let Some((_, by)) = PACKED.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return WrongFile::Packed(by);
    }
    if let Some((_, what)) = NATIVE.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return WrongFile::Native(what);
    }
    let head = bytes.get(..4096).unwrap_or(bytes);
    let head = String::from_utf8_lossy(head);
    // Lines of comments may precede it.
    let mut lines = head.lines().map(str::trim_start);
    let first = lines.find(|line| !line.is_empty() && !line.starts_with(";;")).unwrap_or_default();
    if ["(module", "(component", "(;"].iter().any(|start| first.starts_with(start)) {
        return WrongFile::Text;
    }
    WrongFile::Other(ErrorChain::words(foreign_text::within(40, first)))
}

fn look_at_names(wasm: &[u8]) -> Result<(), WrongFile> {
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(wasm) {
        // The compiler's error about it is better.
        let Ok(payload) = payload else { return Ok(()) };
        if let Payload::ModuleSection { .. } | Payload::ComponentSection { .. } = payload {
            depth += 1;
        } else if let Payload::End(_) = payload {
            depth = depth.saturating_sub(1);
        } else if depth > 0 {
            // A nested component imports from the enclosing one.
        } else if let Payload::ComponentImportSection(section) = payload {
            for import in section.into_iter().map_while(Result::ok) {
                judge("imports", import.name.name)?;
            }
        } else if let Payload::ComponentExportSection(section) = payload {
            for export in section.into_iter().map_while(Result::ok) {
                judge("exports", export.name.name)?;
            }
        }
    }
    Ok(())
}

fn judge(verb: &'static str, known: &str) -> Result<(), WrongFile> {
    let Some((package, interface, version)) = package(known) else { return Ok(()) };
    let name = name(known);
    // A pre-release has a hyphen (Semantic Versioning 2.0.0 §9).
    if package.starts_with("wasi:") && version.contains('-') {
        return Err(WrongFile::ReleaseCandidate { verb, name });
    }
    if package.starts_with("spin:") || package.starts_with("fermyon:") {
        let instead = INSTEAD.iter().find(|(service, _)| *service == interface);
        let instead = instead.map_or("leave it out", |(_, instead)| instead);
        return Err(WrongFile::OfSpin { verb, name, instead });
    }
    if package == "postlet:mail" && track(version) != track(CONTRACT) {
        return Err(WrongFile::OtherContract { verb, name });
    }
    Ok(())
}

/// Splits `a:b/c@1.2.3`; the version is empty where there is none.
fn package(known: &str) -> Option<(&str, &str, &str)> {
    let (path, version) = known.split_once('@').unwrap_or((known, ""));
    let (package, interface) = path.split_once('/')?;
    Some((package, interface, version))
}

/// The compatible part of a version (Semantic Versioning 2.0.0 §4, as the linker applies it): 0.1.x
/// differs from 0.2.x.
fn track(version: &str) -> &str {
    let mut dots = version.match_indices('.').map(|(at, _)| at);
    let end = if version.starts_with("0.") { dots.nth(1) } else { dots.next() };
    end.and_then(|end| version.get(..end)).unwrap_or(version)
}

fn name(known: &str) -> ErrorChain {
    ErrorChain::words(foreign_text::within(NAME, known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_webassembly_is_told_by_its_first_bytes() {
        check(b"", "the file is empty");
        check(
            b"\0asm\x01\0\0\0",
            "it is a core module, not a component: build it for wasm32-wasip2",
        );
        check(b"\0asm\x0a\0\x01\0", "it is WebAssembly of a version");
        check(b"\0asm", "it is WebAssembly of a version");
        check(b"\n ;; a comment\n  (module $a)", "it is WebAssembly's text format");
        check(b"(component)", "it is WebAssembly's text format");
        check(b"\x1f\x8b\x08\0", "it is packed by gzip");
        check(b"PK\x03\x04", "it is packed by zip");
        check(b"\x7fELF\x02", "it is an ELF file");
        check(b"<!doctype html>\n<p>", "it is no WebAssembly: it begins with `<!doctype html>`");
        check(b"\x1b[2J", "it is no WebAssembly: it begins with `\\u{1b}[2J`");
        check(b"\n\n", "it is no WebAssembly: it begins with ``");
        check(&b"x".repeat(1 << 20), "it is no WebAssembly: it begins with `xxxx");
    }

    #[test]
    fn versions_are_told_apart_as_the_linker_does() {
        for (version, want) in [
            ("0.1.0", "0.1"),
            ("0.1.7-rc.1", "0.1"),
            ("1.2.3", "1"),
            ("10.0.0", "10"),
            ("", ""),
            ("0", "0"),
        ] {
            assert_eq!(track(version), want, "{version}");
        }
    }

    #[test]
    fn the_contract_is_that_of_the_files() {
        let files = components::WIT.iter().map(|(_, text)| *text);
        let package = format!("package postlet:mail@{CONTRACT};");
        assert!(files.into_iter().any(|text| text.contains(&package)), "{package}");
    }

    #[test]
    fn a_filter_imports_what_reads_its_message() {
        let only = |import: &str| not_for_filters(std::iter::once(import)).is_none();
        for good in [
            "postlet:mail/reading@0.1.0",
            "wasi:http/outgoing-handler@0.2.10",
            "wasi:sockets/tcp@0.2.9",
            "a-type",
        ] {
            assert!(only(good), "{good}");
        }
        for bad in [
            "postlet:mail/accounts@0.1.0",
            "postlet:mail/submission@0.1.0",
            "postlet:mail/uploads@0.1.0",
            "wasi:http/handler@0.3.0",
            "wasi:keyvalue/store@0.2.0",
            "acme:missiles/launch",
        ] {
            assert!(!only(bad), "{bad}");
        }
    }

    #[track_caller]
    fn check(bytes: &[u8], want: &str) {
        let told = recognise(bytes).unwrap_err().to_string();
        assert!(told.starts_with(want), "{told:?} is not {want:?}");
        assert!(told.len() < 400, "{told}");
    }
}
