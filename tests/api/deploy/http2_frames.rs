//! Tests of HTTP/2 at the level of frames: the announced settings, and a flood of stream resets
//! (CVE-2023-44487).
//!
//! Standards: RFC 9113 §4.1 (frames), §6.5 (SETTINGS), §10.5; RFC 7541 appendix A (the static
//! table).

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::deploy::site::{Site, Who};

const PATIENCE: Duration = Duration::from_secs(60);
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const ENHANCE_YOUR_CALM: u32 = 11;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_host_announces_its_limits_in_settings() {
    let site = Site::start().await;
    let (mut stream, _) = site.connect().await;
    stream.write_all(PREFACE).await.unwrap();
    stream.write_all(&frame(SETTINGS, 0, 0, &[])).await.unwrap();
    let settings = tokio::time::timeout(PATIENCE, wait_for(&mut stream, SETTINGS)).await.unwrap();
    let told: Vec<(u16, u32)> = settings
        .chunks(6)
        .map(|one| {
            (u16::from_be_bytes([one[0], one[1]]), u32::from_be_bytes(one[2..].try_into().unwrap()))
        })
        .collect();
    // RFC 9113 §6.5.2: MAX_CONCURRENT_STREAMS and MAX_HEADER_LIST_SIZE.
    assert!(told.contains(&(3, 100)) && told.contains(&(6, 64 << 10)), "{told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_stream_resets_ends_its_own_connection_only() {
    let site = Site::start().await;
    let (mut stream, _) = site.connect().await;
    stream.write_all(PREFACE).await.unwrap();
    stream.write_all(&frame(SETTINGS, 0, 0, &[])).await.unwrap();
    // GET, http, /, and the authority "a" as a literal.
    let request = [0x82, 0x86, 0x84, 0x41, 0x01, b'a'];
    let mut flood = Vec::new();
    for number in (1..40_000_u32).step_by(2) {
        flood.extend(frame(HEADERS, 0b101, number, &request));
        flood.extend(frame(RST_STREAM, 0, number, &8_u32.to_be_bytes()));
    }
    let (mut reading, mut writing) = stream.into_split();
    let hearing = async {
        let mut said = Vec::new();
        let _ = reading.read_to_end(&mut said).await;
        said
    };
    let both = async { tokio::join!(writing.write_all(&flood), hearing) };
    let (flooded, said) = tokio::time::timeout(PATIENCE, both).await.unwrap();
    // Ended by GOAWAY with ENHANCE_YOUR_CALM, or closed before that could be sent.
    let goaway = frames(&said).into_iter().find(|(kind, _)| *kind == GOAWAY);
    match goaway {
        Some((_, payload)) => assert_eq!(payload[4..8], ENHANCE_YOUR_CALM.to_be_bytes()),
        None => assert!(flooded.is_err(), "the whole flood was accepted"),
    }
    assert_eq!(site.get(Who::Nobody, "/-/health").await.status, 200);
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// Every complete frame: its type and payload.
fn frames(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut found = Vec::new();
    while let Some((head, rest)) = bytes.split_at_checked(9) {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let Some((payload, rest)) = rest.split_at_checked(length) else { break };
        found.push((head[3], payload.to_vec()));
        bytes = rest;
    }
    found
}

async fn wait_for(stream: &mut TcpStream, kind: u8) -> Vec<u8> {
    let mut said = Vec::new();
    loop {
        if let Some((_, payload)) = frames(&said).into_iter().find(|(known, _)| *known == kind) {
            return payload;
        }
        assert_ne!(stream.read_buf(&mut said).await.unwrap(), 0, "the connection was closed");
    }
}
