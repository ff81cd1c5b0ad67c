//! Dependency rules: which crate may depend on which, in one table.
//!
//! A heavy dependency has one owner, so that it can be replaced and audited. The rule checks direct
//! dependencies from `cargo metadata`. Development dependencies are free, except that `engine` has
//! no sockets even in its tests. Crates under `tests/`, `benches/` and `fuzz/` are not part of the
//! product.

use serde::Deserialize;

use crate::fault::Fault;

/// An external dependency, and the packages that may name it. A name that ends in `*` stands for
/// every crate with that prefix.
const OWNERS: &[(&str, &[&str])] = &[
    ("wasmtime*", &["runtime"]),
    ("wasmparser", &["runtime"]),
    ("lettre", &["mail"]),
    ("async-imap", &["mail"]),
    ("mail-parser", &["mime-component"]),
    ("html5ever", &["mime-component"]),
    ("idna", &["rules"]),
    ("imap-codec", &["mailroom"]),
    ("rusqlite", &["store"]),
    ("rustls", &["net", "mailroom"]),
    ("tokio-rustls", &["net", "mailroom"]),
    ("webpki-roots", &["net"]),
    ("hickory-resolver", &["net"]),
    ("hyper", &["net", "runtime", "postlet"]),
    ("hyper-util", &["net", "runtime", "postlet"]),
    ("jsonschema", &["postlet"]),
    ("schemars", &["shapes"]),
    ("clap", &["postlet"]),
    ("chacha20poly1305", &["store"]),
    ("tokio", &["engine", "net", "mail", "store", "runtime", "mailroom", "postlet"]),
];

/// The crates of the project that each package of the product may use.
const INSIDE: &[(&str, &[&str])] = &[
    (SHARED, &[]),
    ("model", &[]),
    ("engine", &["model"]),
    ("net", &["model"]),
    ("mail", &["model"]),
    ("store", &["model"]),
    ("runtime", &["model"]),
    ("mailroom", &["model"]),
    ("postlet", &["model", "engine", "net", "mail", "store", "runtime", "mailroom", "components"]),
    ("components", &[]),
    ("kit", &[]),
    ("shapes", &[]),
];

/// The crate with the rules that host and guests share: every package may use it, and it uses none.
const SHARED: &str = "rules";

/// The crates of the project that a guest may use: it knows WIT, never the host's types.
const GUEST: &[&str] = &["kit", "shapes"];

/// The only packages that open sockets.
const DIALLERS: &[&str] = &["net", "mailroom", "postlet"];

/// Dependencies that would give `engine` a socket, even in its tests.
const SOCKETS: &[&str] = &["net", "mail", "mailroom", "hyper", "hyper-util", "tokio-rustls"];

/// The part of `cargo metadata`'s output that the rules need.
#[derive(Debug, Deserialize)]
pub struct Metadata {
    pub packages: Vec<Package>,
}

/// A package of the workspace.
#[derive(Debug, Deserialize)]
pub struct Package {
    pub name: String,
    pub manifest_path: String,
    pub dependencies: Vec<Dependency>,
}

/// An entry of `[dependencies]`, `[dev-dependencies]` or `[build-dependencies]`.
#[derive(Debug, Deserialize)]
pub struct Dependency {
    pub name: String,
    /// None for a normal dependency, else `dev` or `build`.
    pub kind: Option<String>,
    /// Set when the dependency is a crate of the project.
    pub path: Option<String>,
    pub features: Vec<String>,
}

/// Checks one package. `manifest` is its path relative to the project, `text` its content.
#[must_use]
pub fn check(package: &Package, manifest: &str, text: &str) -> Vec<Fault> {
    let kin = Kin::of(&package.name, manifest);
    let mut faults = Vec::new();
    for dependency in &package.dependencies {
        let line = line_naming(text, &dependency.name);
        faults.extend(
            advice(&kin, &package.name, dependency)
                .map(|advice| Fault::new(manifest, line, advice)),
        );
    }
    if let Kin::Unknown = kin {
        faults.push(Fault::new(
            manifest,
            1,
            format!(
                "say in tests/architecture/src/crate_dependencies.rs what `{}` may depend on, or use a crate that exists",
                package.name
            ),
        ));
    }
    faults
}

/// The kind of a package, by its path.
enum Kin {
    /// A package of the product, which may use these crates of the project.
    Product(&'static [&'static str]),
    /// Tests and benches, which may use any.
    Free,
    Unknown,
}

impl Kin {
    fn of(name: &str, manifest: &str) -> Self {
        if let Some((_, allowed)) = INSIDE.iter().find(|(package, _)| *package == name) {
            return Self::Product(allowed);
        }
        let guest = |folder: &str| {
            manifest.strip_prefix(folder).is_some_and(|rest| rest.matches('/').count() == 1)
        };
        if guest("components/") || guest("tests/guests/") {
            Self::Product(GUEST)
        } else if ["tests/", "benches/", "fuzz/"].iter().any(|start| manifest.starts_with(start)) {
            Self::Free
        } else {
            Self::Unknown
        }
    }
}

fn advice(kin: &Kin, package: &str, dependency: &Dependency) -> Option<String> {
    let name = dependency.name.as_str();
    let for_tests = dependency.kind.as_deref() == Some("dev");
    if package == "engine" && (SOCKETS.contains(&name) || opens_sockets(dependency)) {
        return Some(format!("`{name}` gives engine a socket: put a port of `model` in between"));
    }
    let Kin::Product(allowed) = kin else { return None };
    if for_tests {
        return None;
    }
    if dependency.path.is_some() {
        let known = name == SHARED || allowed.contains(&name);
        return (!known).then(|| {
            format!("`{package}` may not use `{name}`: add a port to `model`, which both may know")
        });
    }
    let owners = owners(name);
    if owners.is_some_and(|owners| !owners.contains(&package)) {
        return Some(format!(
            "`{name}` belongs to {}: ask its owner through a port of `model`",
            owners.unwrap_or_default().join(", ")
        ));
    }
    if opens_sockets(dependency) && !DIALLERS.contains(&package) {
        return Some(format!(
            "only {} open sockets: drop tokio's `net` and take a stream instead",
            DIALLERS.join(", ")
        ));
    }
    let beyond = dependency.features.iter().find(|feature| feature.as_str() != "sync");
    match beyond {
        Some(feature) if package == "engine" && name == "tokio" => Some(format!(
            "engine uses only `sync` of tokio, not `{feature}`: time and tasks come through ports"
        )),
        _ => None,
    }
}

fn owners(name: &str) -> Option<&'static [&'static str]> {
    OWNERS
        .iter()
        .find(|(pattern, _)| match pattern.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => name == *pattern,
        })
        .map(|(_, owners)| *owners)
}

fn opens_sockets(dependency: &Dependency) -> bool {
    dependency.name == "tokio"
        && dependency.features.iter().any(|feature| matches!(feature.as_str(), "net" | "full"))
}

fn line_naming(text: &str, name: &str) -> usize {
    let named =
        |line: &str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '=', '.']));
    text.lines().position(named).map_or(1, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_owner_of_a_dependency_may_name_it() {
        check_edge("runtime", "host/runtime/Cargo.toml", &edge("wasmtime-wasi"), 0);
        check_edge("engine", "host/engine/Cargo.toml", &edge("wasmtime-wasi"), 1);
        check_edge("mime-component", "components/mime/Cargo.toml", &edge("mail-parser"), 0);
        check_edge("send-component", "components/send/Cargo.toml", &edge("mail-parser"), 1);
        check_edge("model", "host/model/Cargo.toml", &edge("tokio"), 1);
    }

    #[test]
    fn host_crates_depend_on_model_only() {
        check_edge("mail", "host/mail/Cargo.toml", &ours("model"), 0);
        check_edge("mail", "host/mail/Cargo.toml", &ours("net"), 1);
        check_edge("model", "host/model/Cargo.toml", &ours("engine"), 1);
        check_edge("postlet", "host/server/Cargo.toml", &ours("net"), 0);
    }

    #[test]
    fn a_guest_may_use_the_kit_and_no_host_crate() {
        check_edge("send-component", "components/send/Cargo.toml", &ours("kit"), 0);
        check_edge("send-component", "components/send/Cargo.toml", &ours("model"), 1);
        check_edge("hostile-guest", "tests/guests/hostile/Cargo.toml", &ours("model"), 1);
    }

    #[test]
    fn every_package_may_use_the_shared_rules_and_they_use_none() {
        for package in ["model", "mail", "kit"] {
            check_edge(package, "", &ours(SHARED), 0);
        }
        check_edge("send-component", "components/send/Cargo.toml", &ours(SHARED), 0);
        for known in ["model", "kit"] {
            check_edge(SHARED, "host/rules/Cargo.toml", &ours(known), 1);
        }
    }

    #[test]
    fn tests_are_free_except_that_engine_gets_no_socket() {
        let dev = |mut dependency: Dependency| {
            dependency.kind = Some("dev".to_owned());
            dependency
        };
        check_edge("mail", "host/mail/Cargo.toml", &dev(ours("mailroom")), 0);
        check_edge("engine", "host/engine/Cargo.toml", &dev(ours("store")), 0);
        check_edge("engine", "host/engine/Cargo.toml", &dev(ours("mailroom")), 1);
        check_edge("engine", "host/engine/Cargo.toml", &dev(tokio("rt")), 0);
        check_edge("engine", "host/engine/Cargo.toml", &dev(tokio("net")), 1);
        check_edge("rig", "tests/rig/Cargo.toml", &edge("rustls"), 0);
        check_edge("wasi-runner", "tests/wasi-runner/Cargo.toml", &edge("wasmtime"), 0);
    }

    #[test]
    fn only_listed_packages_open_sockets() {
        check_edge("net", "host/net/Cargo.toml", &tokio("net"), 0);
        check_edge("mail", "host/mail/Cargo.toml", &tokio("net"), 1);
        check_edge("engine", "host/engine/Cargo.toml", &tokio("sync"), 0);
        check_edge("engine", "host/engine/Cargo.toml", &tokio("time"), 1);
    }

    #[test]
    fn a_new_crate_of_the_product_needs_an_entry() {
        let package = |dependencies| Package {
            name: "utils".to_owned(),
            manifest_path: String::new(),
            dependencies,
        };
        assert_eq!(check(&package(Vec::new()), "host/utils/Cargo.toml", "").len(), 1);
    }

    #[test]
    fn a_fault_names_the_line_of_the_dependency() {
        let text = "[dependencies]\nhyper-util = {}\nhyper = {}\n";
        assert_eq!(line_naming(text, "hyper"), 3);
    }

    fn edge(name: &str) -> Dependency {
        Dependency { name: name.to_owned(), kind: None, path: None, features: Vec::new() }
    }

    fn ours(name: &str) -> Dependency {
        Dependency { path: Some(String::new()), ..edge(name) }
    }

    fn tokio(feature: &str) -> Dependency {
        Dependency { features: vec![feature.to_owned()], ..edge("tokio") }
    }

    #[track_caller]
    fn check_edge(package: &str, manifest: &str, dependency: &Dependency, want: usize) {
        let got = advice(&Kin::of(package, manifest), package, dependency);
        assert_eq!(got.iter().count(), want, "{package} -> {dependency:?}: {got:?}");
    }
}
