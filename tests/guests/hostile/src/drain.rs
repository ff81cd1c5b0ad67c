//! Resource exhaustion: CPU time, memory, stack, handles, output, log.

use std::hint::black_box;

use kit::bindings::postlet::mail::accounts;
use kit::problem::Problem;
use kit::response::Answer;
use wasip2::clocks::monotonic_clock;
use wasip2::clocks::monotonic_clock::subscribe_duration;
use wasip2::http::types::{Fields, OutgoingBody, OutgoingResponse, ResponseOutparam};
use wasip2::io::streams::OutputStream;

pub(crate) fn spin() -> ! {
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

pub(crate) fn eat() -> ! {
    let mut eaten: Vec<Vec<u8>> = Vec::new();
    loop {
        // Written to, so that the pages are allocated.
        eaten.push(black_box(vec![1; 1 << 20]));
    }
}

/// Allocates so many mebibytes and sleeps; answers with how many there were.
pub(crate) fn keep(mebibytes: usize) -> Result<Answer, Problem> {
    let mut kept: Vec<Vec<u8>> = Vec::new();
    for _ in 0..mebibytes {
        let mut piece = Vec::new();
        if piece.try_reserve_exact(1 << 20).is_err() {
            return Answer::json(200, &kept.len());
        }
        piece.resize(1 << 20, 1_u8);
        kept.push(black_box(piece));
    }
    sleep(3600);
    Answer::json(200, &kept.len())
}

/// Another operation follows the inner call, so that it is not compiled to a loop.
pub(crate) fn recurse(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    if black_box(depth) == 0 {
        return 0;
    }
    recurse(depth.wrapping_add(1)).wrapping_add(frame.iter().sum())
}

pub(crate) fn sleep(seconds: u64) {
    subscribe_duration(seconds * 1_000_000_000).block();
}

pub(crate) fn log() -> ! {
    let line = "a line that nobody asked for ".repeat(100);
    loop {
        println!("{line}");
        eprintln!("{line}");
    }
}

pub(crate) fn hold(account: &str) -> Result<Answer, Problem> {
    let mut held = Vec::new();
    loop {
        held.push(black_box(accounts::open(account)?));
    }
}

pub(crate) fn leak() -> ! {
    let mut held = Vec::new();
    loop {
        held.push(black_box(Fields::new()));
    }
}

pub(crate) fn now() -> ! {
    loop {
        black_box(monotonic_clock::now());
    }
}

pub(crate) fn lift() -> Result<Answer, Problem> {
    let fields = vec![("x-heavy".to_owned(), vec![b'v'; 1 << 20]); 24];
    Answer::json(200, &Fields::from_list(&fields).is_ok())
}

/// One more than a map of fields can hold (RFC 9110 sets no limit; libraries do).
pub(crate) fn fields_bomb() -> Result<Answer, Problem> {
    let fields: Vec<_> = (0..32_769).map(|index| (format!("x-{index}"), b"v".to_vec())).collect();
    Answer::json(200, &Fields::from_list(&fields).is_ok())
}

pub(crate) fn flood(out: ResponseOutparam) {
    let block = [b'x'; 65_536];
    stream(out, |stream| {
        loop {
            match stream.check_write() {
                Ok(0) => stream.subscribe().block(),
                Ok(room) => {
                    let room = usize::try_from(room).unwrap_or(usize::MAX).min(block.len());
                    if stream.write(block.get(..room).unwrap_or_default()).is_err() {
                        return;
                    }
                }
                Err(_) => return,
            }
        }
    });
}

pub(crate) fn trickle(out: ResponseOutparam) {
    stream(out, |stream| {
        while stream.blocking_write_and_flush(b".").is_ok() {
            sleep(1);
        }
    });
}

pub(crate) fn header_flood(out: ResponseOutparam) {
    let fields = Fields::new();
    let value = [b'v'; 1024];
    for index in 0..100_000 {
        // Refusals do not stop it.
        let _ = fields.append(&format!("x-{index}"), &value);
    }
    ResponseOutparam::set(out, Ok(OutgoingResponse::new(fields)));
}

fn stream(out: ResponseOutparam, write: impl FnOnce(&OutputStream)) {
    let response = OutgoingResponse::new(Fields::new());
    let Ok(body) = response.body() else { return };
    ResponseOutparam::set(out, Ok(response));
    if let Ok(stream) = body.write() {
        write(&stream);
        drop(stream);
    }
    let _ = OutgoingBody::finish(body, None);
}
