//! Noisy-neighbour benchmark: the latencies of one tenant, alone and beside forty busy loops of
//! another tenant.
//!
//! The server is this program as a child, with two worker threads. Both results are from one run.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};

use crate::size::Size;
use testkit::http::Client;
use testkit::measure::load;
use testkit::measure::report;

const LOOPS: usize = 40;

/// The argument that makes the server loop until the benchmark ends.
pub(crate) const LOOP: &str = "/loop";

/// Measures a server that runs [`LOOP`] for another tenant.
pub(crate) fn compare(size: Size, server: SocketAddr) {
    report::heading("A neighbour beside forty loops of another tenant, two worker threads");
    let alone = neighbour(size, server);
    report::rate("neighbour alone", &alone);
    let loops: Vec<TcpStream> = (0..LOOPS)
        .map(|_| {
            let mut stream = TcpStream::connect(server).unwrap();
            stream
                .write_all(format!("GET {LOOP} HTTP/1.1\r\nhost: test\r\n\r\n").as_bytes())
                .unwrap();
            stream
        })
        .collect();
    let beside = neighbour(size, server);
    report::rate("neighbour beside the loops", &beside);
    drop(loops);
    let ratio = beside.slow.as_secs_f64() / alone.slow.as_secs_f64();
    report::figure("p99, beside the loops/alone", ratio, "");
}

/// One client, one request after the other.
fn neighbour(size: Size, server: SocketAddr) -> load::Rate {
    let call = |client: &mut Client| {
        let headers = [("content-type", "application/json")];
        let answer = client.call("POST", "/echo", &headers, br#"{"a":1}"#);
        assert_eq!(answer.status, 200);
    };
    let caller = || {
        let mut client = Client::new(server, None);
        move |_: &mut load::Dice| call(&mut client)
    };
    load::for_a_while(vec![caller()], size.duration / 4);
    load::for_a_while(vec![caller()], size.duration)
}
