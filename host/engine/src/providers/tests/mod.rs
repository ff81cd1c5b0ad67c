//! Tests of the embedded files, golden good and bad ones, and an operator's.
//!
//! Beside each golden file is its expected result; run with `UPDATE_EXPECT=1` to write it again,
//! then read the difference.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use expect_test::expect_file;
use model::provider::{Auth, Evidence};

use super::*;

mod reference;

#[test]
fn a_good_file_means_what_it_says() {
    for (name, text) in goldens("good") {
        let file = file::parse(&text, Origin::Operator).unwrap();
        expect_file![place("good").join(name).with_extension("txt")]
            .assert_eq(&format!("{file:#?}\n"));
    }
}

#[test]
fn a_bad_file_is_refused_by_file_line_and_key() {
    for (name, text) in goldens("bad") {
        let Err(fault) = Profiles::with_directory(&[(name.clone(), text)]) else {
            panic!("{name} is taken")
        };
        expect_file![place("bad").join(name).with_extension("txt")]
            .assert_eq(&format!("{fault}\n"));
    }
}

#[test]
fn the_example_in_the_documentation_is_good() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/providers.md");
    let page = fs::read_to_string(page).unwrap();
    let blocks: Vec<_> = page
        .split("```toml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .filter(|block| block.starts_with("id ="))
        .map(|block| ("docs.toml".to_owned(), block.to_owned()))
        .collect();
    assert_eq!(blocks.len(), 1);
    Profiles::with_directory(&blocks).unwrap();
}

#[test]
fn every_file_of_the_directory_is_part_of_the_program() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("providers");
    let files: BTreeSet<String> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let embedded: BTreeSet<String> = EMBEDDED.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(files, embedded);
    assert_eq!(embedded.len(), EMBEDDED.len(), "one is listed twice");
}

#[test]
fn every_embedded_provider_can_be_found_and_used() {
    for (name, text) in EMBEDDED {
        let file = file::parse(text, Origin::BuiltIn).unwrap_or_else(|wrong| {
            panic!("{}", wrong.locate(name, text));
        });
        let profile = &file.profile;
        assert_eq!(*name, format!("{}.toml", profile.id), "a file is called after its id");
        assert!(!file.domains.is_empty() || !file.mx.is_empty(), "{name}");
        for (servers, ports) in [(&profile.imap, [993, 143]), (&profile.smtp, [465, 587])] {
            assert!(servers.iter().all(|server| ports.contains(&server.port)), "{name}");
        }
        assert!(profile.hints.is_empty() || profile.hints.iter().any(|hint| hint.language == "en"));
        assert!(
            profile.auth == [Auth::Password] || !profile.hints.is_empty(),
            "{name}: whoever needs more than the password has to be told what"
        );
    }
    Profiles::embedded().unwrap();
}

#[test]
fn the_largest_providers_are_known_with_imap_and_smtp_servers() {
    let profiles = Profiles::embedded().unwrap();
    for domain in [
        "gmail.com",
        "outlook.com",
        "hotmail.com",
        "office365.com",
        "yahoo.com",
        "aol.com",
        "icloud.com",
        "fastmail.com",
        "zoho.com",
        "yandex.ru",
        "mail.ru",
        "gmx.de",
        "gmx.com",
        "web.de",
        "t-online.de",
        "naver.com",
        "daum.net",
        "qq.com",
        "foxmail.com",
        "163.com",
        "126.com",
        "yeah.net",
        "exmail.qq.com",
        "aliyun.com",
        "qiye.aliyun.com",
        "qiye.163.com",
        "sina.com",
        "sohu.com",
        "139.com",
        "189.cn",
        "feishu.cn",
    ] {
        let found = profiles.by_domain(domain).unwrap_or_else(|| panic!("{domain}"));
        assert!(found.imap.is_some() && found.smtp.is_some(), "{domain}");
    }
    let proton = profiles.by_domain("proton.me").unwrap();
    assert!(profiles.all().count() >= 50);
    assert!(proton.imap.is_none() && proton.smtp.is_none() && proton.auth.is_empty());
}

#[test]
fn a_cited_source_is_never_called_unverified() {
    for profile in Profiles::embedded().unwrap().all() {
        assert!(profile.imap.is_none() || profile.facts.len() >= 3, "{}", profile.id);
        for fact in &profile.facts {
            if let Evidence::Read { source, .. } = &fact.evidence {
                assert!(!source.contains("unverified"), "{}: {source}", profile.id);
            }
        }
    }
}

#[test]
fn a_domain_is_found_in_any_spelling_and_no_other_domain_is() {
    let profiles = Profiles::embedded().unwrap();
    for (domain, want) in [
        ("qq.com", Some("qq")),
        ("QQ.Com.", Some("qq")),
        ("vip.qq.com", Some("qq-vip")),
        ("sub.gmail.com", None),
        ("gmail.comm", None),
        ("com", None),
        ("", None),
    ] {
        assert_eq!(id(profiles.by_domain(domain)), want, "{domain:?}");
    }
    let text = goldens("good").remove(0).1;
    let more = Profiles::with_directory(&[("books.toml".to_owned(), text)]).unwrap();
    for domain in ["bücher.example", "xn--bcher-kva.example", "BÜCHER.example", "books.example"] {
        assert_eq!(id(more.by_domain(domain)), Some("buecher"), "{domain:?}");
    }
}

#[test]
fn a_mail_exchanger_leads_to_its_provider() {
    let profiles = Profiles::embedded().unwrap();
    for (exchanger, want) in [
        ("aspmx.l.google.com", Some("gmail")),
        ("acme-example.mail.protection.outlook.com.", Some("microsoft365")),
        ("in1-smtp.messagingengine.com", Some("fastmail")),
        ("mxbiz1.qq.com", Some("exmail")),
        ("mxbizarre.qq.com", None),
        ("mx1.qq.com", None),
        ("mx2.sg.aliyun.com", Some("aliyun-singapore")),
        ("mx.yandex.net", Some("yandex")),
        ("notgoogle.com", None),
    ] {
        assert_eq!(id(profiles.by_mx(exchanger)), want, "{exchanger:?}");
    }
}

#[test]
fn a_service_that_files_sent_mail_is_recognised_by_its_smtp_server() {
    let profiles = Profiles::embedded().unwrap();
    for (host, want) in [
        (["SMTP.", "gmail.com"].concat(), true),
        (["smtp.", "googlemail.com"].concat(), true),
        (["smtp-mail.", "outlook.com"].concat(), true),
        (["smtp.", "qq.com"].concat(), false),
        ("smtp.example.com".to_owned(), false),
    ] {
        assert_eq!(profiles.keeps_sent_mail(&host), want, "{host}");
    }
}

#[test]
fn the_longest_matching_suffix_decides() {
    let least = || goldens("good").remove(1).1;
    let file = |id: &str, suffix: &str| {
        let text = least()
            .replace("\"acme\"", &format!("\"{id}\""))
            .replace("acme.example\"]", &format!("{id}.example\"]"));
        let mx = format!("\n[mx]\nsuffixes = [\"{suffix}\"]\nconfidence = \"unverified\"\n");
        (format!("{id}.toml"), text + &mx)
    };
    let files = [file("a", "b.example"), file("b", "mx*.b.example"), file("c", "mx1.b.example")];
    let profiles = Profiles::with_directory(&files).unwrap();
    for (exchanger, want) in [("x.b.example", "a"), ("mx2.b.example", "b"), ("mx1.b.example", "c")]
    {
        assert_eq!(id(profiles.by_mx(exchanger)), Some(want), "{exchanger}");
    }
}

#[test]
fn an_operators_file_replaces_by_id_with_its_domains() {
    let text = goldens("good").remove(1).1.replace("\"acme\"", "\"gmail\"");
    let file = ("gmail.toml".to_owned(), text);
    let profiles = Profiles::with_directory(std::slice::from_ref(&file)).unwrap();
    let found = profiles.by_domain("acme.example").unwrap();
    assert_eq!((found.id.as_str(), found.origin), ("gmail", Origin::Operator));
    assert_eq!(id(profiles.by_domain("gmail.com")), None, "the domains went with the file");
    assert_eq!(profiles.by_domain("qq.com").unwrap().origin, Origin::BuiltIn);
    let twice = Profiles::with_directory(&[file.clone(), ("b.toml".to_owned(), file.1)]);
    assert_eq!(
        twice.unwrap_err().to_string(),
        "b.toml, line 1, `id`: another file has the id `gmail` too"
    );
}

#[test]
fn no_code_names_a_providers_host() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let profiles = Profiles::embedded().unwrap();
    let hosts: BTreeSet<&str> = profiles
        .all()
        .flat_map(|profile| profile.imap.iter().chain(&profile.smtp))
        .map(|server| server.host.as_str())
        .collect();
    let mut files = Vec::new();
    for place in ["host", "components"] {
        sources(&root.join(place), &mut files);
    }
    assert!(files.len() > 100, "{}", files.len());
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        for host in &hosts {
            assert!(!text.contains(&format!("\"{host}\"")), "{}: {host}", path.display());
        }
    }
}

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}

fn id(profile: Option<&Profile>) -> Option<&str> {
    profile.map(|profile| profile.id.as_str())
}

/// Sorted by name.
fn goldens(kind: &str) -> Vec<(String, String)> {
    let files: BTreeSet<PathBuf> =
        fs::read_dir(place(kind)).unwrap().map(|entry| entry.unwrap().path()).collect();
    let files = files.into_iter().filter(|path| path.extension().is_some_and(|end| end == "toml"));
    let read = |path: PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, fs::read_to_string(path).unwrap())
    };
    files.map(read).collect()
}

fn place(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/providers/tests").join(kind)
}
