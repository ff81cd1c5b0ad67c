//! Tests of the master key: rotated while the host serves, interrupted by kills, taken from the
//! environment; and of a process that others of the same user cannot inspect.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use testkit::process::{Host, binary};
use testkit::site::{APPLICATION, Site, connect, own_user, rig, tls_account, under};
use testkit::wait::wait_until;

#[test]
fn the_key_is_rotated_while_the_host_serves_and_the_old_one_opens_nothing() {
    let Some(rig) = rig() else { return };
    let site = Site::on(rig).with_application(APPLICATION, guests::PLAIN);
    // Without components that other hosts of these tests have compiled.
    let host = site.start_in(&[]);
    assert_eq!(compilations(&site, &host), 1);
    let mut operator = site.operator(&host);
    let ids: Vec<String> =
        (0..3).map(|_| connect(&mut operator, &tls_account(rig, own_user()))).collect();
    let old = std::fs::read(key_file(&site)).unwrap();
    let (over, served) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut client = site.operator(&host);
            while !over.load(Ordering::SeqCst) {
                let id = &ids[served.load(Ordering::SeqCst) % ids.len()];
                let said = client.call("POST", &under(id, "verify"), &[], b"").expect(200);
                assert_eq!(said["ok"], true, "{said}");
                served.fetch_add(1, Ordering::SeqCst);
            }
        });
        for _ in 0..3 {
            let before = served.load(Ordering::SeqCst);
            let said = rotate(&host, &site);
            let text = String::from_utf8_lossy(&said.stdout);
            assert!(text.contains("(3 records)"), "{said:?}");
            wait_until("a login", || served.load(Ordering::SeqCst) > before);
        }
        over.store(true, Ordering::SeqCst);
    });
    let new = std::fs::read(key_file(&site)).unwrap();
    assert_ne!(old, new);
    assert!(!key_file(&site).with_extension("key.next").exists());
    let limited = serde_json::json!({"scopes": ["accounts", "read"]});
    let made = operator.json("POST", "/v1/tokens", &limited).expect(201);
    let mut limited = host.client(made["token"].as_str().unwrap());
    limited.call("POST", "/-/key/rotate", &[], b"").expect(403);
    host.kill();

    let host = site.start();
    all_log_in(&site, &host, &ids);
    assert_eq!(
        compilations(&site, &host),
        0,
        "cached code was compiled again instead of sealed again"
    );
    host.kill();
    std::fs::write(key_file(&site), old).unwrap();
    let refused = refused(&site, &[]);
    assert!(refused.contains("the master key does not open"), "{refused}");
}

#[test]
fn a_host_killed_during_a_rotation_opens_everything_at_the_next_start() {
    let Some(rig) = rig() else { return };
    let site = Site::on(rig);
    let host = site.start();
    let mut operator = site.operator(&host);
    let ids: Vec<String> =
        (0..3).map(|_| connect(&mut operator, &tls_account(rig, own_user()))).collect();
    host.kill();
    for part in 0..6 {
        let host = site.start();
        let rotation = ask_to_rotate(&host, &site).spawn().unwrap();
        // At another point each time; which one does not matter.
        std::thread::sleep(Duration::from_millis(4 * part));
        host.kill();
        drop(rotation.wait_with_output());
        let host = site.start();
        all_log_in(&site, &host, &ids);
        assert!(
            !key_file(&site).with_extension("key.next").exists(),
            "the rotation was not completed"
        );
        host.kill();
    }
}

#[test]
fn the_key_may_come_from_the_environment_and_is_rotated_there() {
    let Some(rig) = rig() else { return };
    let site = Site::on(rig);
    let [first, second] = [[1; 32], [2; 32]].map(|bytes| STANDARD.encode(bytes));
    let host = site.start_in(&[("POSTLET_MASTER_KEY", &first)]);
    let id = connect(&mut site.operator(&host), &tls_account(rig, own_user()));
    assert!(!key_file(&site).exists());
    let said = rotate(&host, &site);
    let told = String::from_utf8_lossy(&said.stderr);
    assert!(told.contains("key-fixed") && told.contains("POSTLET_MASTER_KEY_PREVIOUS"), "{told}");
    host.kill();
    let both = [("POSTLET_MASTER_KEY", &*second), ("POSTLET_MASTER_KEY_PREVIOUS", &*first)];
    let host = site.start_in(&both);
    all_log_in(&site, &host, std::slice::from_ref(&id));
    host.kill();
    let told = refused(&site, &[("POSTLET_MASTER_KEY", &first)]);
    assert!(told.contains("the master key does not open"), "{told}");
    let host = site.start_in(&[("POSTLET_MASTER_KEY", &second)]);
    all_log_in(&site, &host, &[id]);
    host.kill();
    std::fs::write(key_file(&site), &second).unwrap();
    let told = refused(&site, &[("POSTLET_MASTER_KEY", &second)]);
    assert!(told.contains("POSTLET_MASTER_KEY") && told.contains("master.key"), "{told}");
    assert!(!told.contains(&second), "{told}");
}

/// An intruder of the same user, without the capability to trace.
#[test]
fn no_other_process_of_the_same_user_can_inspect_the_host() {
    let plain = || {
        let mut command = Command::new("setpriv");
        // Linux lets CAP_PERFMON, and CAP_SYS_ADMIN for it, read what CAP_SYS_PTRACE may.
        command.args(["--bounding-set=-sys_ptrace,-perfmon,-sys_admin", "--"]);
        command
    };
    let works = plain().arg("true").output().is_ok_and(|output| output.status.success());
    let command = |program: &str| {
        let mut command = if works { plain() } else { Command::new("env") };
        command.arg(program);
        command
    };
    let look = |pid: u32, file: &str| {
        let mut look = command("dd");
        look.args([&format!("if=/proc/{pid}/{file}"), "of=/dev/null", "count=0"]);
        look.stderr(Stdio::null()).status().unwrap()
    };
    // What the test would see of a process that does not protect itself.
    let mut open = command("sleep").arg("120").spawn().unwrap();
    wait_until("sleep", || {
        std::fs::read_to_string(format!("/proc/{}/comm", open.id())).is_ok_and(|it| it == "sleep\n")
    });
    let seen = look(open.id(), "environ").success();
    open.kill().unwrap();
    open.wait().unwrap();
    assert!(seen, "an unprotected process of the user must be readable, or the test shows nothing");

    let site = Site::new(None, &[]);
    let host = Host::up_by(command(binary()), &site.config());
    for file in ["environ", "maps", "mem"] {
        assert!(!look(host.pid(), file).success(), "{file} can be read");
    }
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", host.pid())).unwrap();
    let cores = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(cores.split_whitespace().nth(4), Some("0"), "{cores}");
    // It still serves, which requires children that compile.
    host.anonymous().get("/-/ready").expect(200);
}

fn key_file(site: &Site) -> PathBuf {
    site.data().join("master.key")
}

#[track_caller]
fn all_log_in(site: &Site, host: &Host, ids: &[String]) {
    let mut operator = site.operator(host);
    for id in ids {
        let said = operator.call("POST", &under(id, "verify"), &[], b"").expect(200);
        assert_eq!(said["ok"], true, "{said}");
    }
}

/// Compilations of tenants' components since the host's start.
fn compilations(site: &Site, host: &Host) -> u64 {
    let metrics = site.operator(host).get("/-/metrics").text();
    let line = metrics.lines().find(|line| line.starts_with("postlet_compilations_total"));
    let count = line.and_then(|line| line.rsplit_once(' ')?.1.parse().ok());
    count.unwrap_or_else(|| panic!("no such metric:\n{metrics}"))
}

fn ask_to_rotate(host: &Host, site: &Site) -> Command {
    let mut command = Command::new(binary());
    command
        .args(["key", "rotate", "--url", &host.url(), "--token-file"])
        .arg(site.token_file())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn rotate(host: &Host, site: &Site) -> Output {
    ask_to_rotate(host, site).output().unwrap()
}

/// The error of a start that fails. One that succeeds would wait for ever.
fn refused(site: &Site, environment: &[(&str, &str)]) -> String {
    let output = Command::new("timeout")
        .arg(Duration::from_secs(120).as_secs().to_string())
        .arg(binary())
        .args(["up", "--json", "--config"])
        .arg(site.config())
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}
