//! Submission server that falls silent at a chosen step, for states that are too short at a real
//! server.
//!
//! Standards: RFC 5321 §3 and §4.1, RFC 4954 (AUTH).

use std::sync::{Arc, Mutex, mpsc};

use crate::servers::smtp_dialogue::{Taker, serve};

/// The step at which a connection stops responding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// After the recipients, before the message.
    AtData,
    /// After the whole message was received.
    AfterTheDot,
}

/// A running server; it ends with the process.
#[derive(Debug)]
pub struct Smtp {
    pub port: u16,
    /// The pin for an account.
    pub pin: String,
    stage: Arc<Stage>,
    silent: mpsc::Receiver<()>,
}

#[derive(Debug)]
struct Stage {
    silence: Mutex<Option<Silence>>,
    messages: Mutex<Vec<String>>,
    fell_silent: mpsc::Sender<()>,
}

impl Smtp {
    /// Serves TLS on a free port and falls silent at this step, until released.
    pub fn silent(silence: Silence) -> Self {
        let (sender, silent) = mpsc::channel();
        let stage = Arc::new(Stage {
            silence: Mutex::new(Some(silence)),
            messages: Mutex::default(),
            fell_silent: sender,
        });
        let (port, pin) = serve(&stage);
        Self { port, pin, stage, silent }
    }

    /// Waits until a client waits for a reply.
    pub fn wait_for_silence(&self) {
        self.silent.recv_timeout(std::time::Duration::from_secs(60)).unwrap();
    }

    /// Answers everything from now on.
    pub fn speak(&self) {
        *self.stage.silence.lock().unwrap() = None;
    }

    /// Every message that was received completely, answered or not.
    pub fn messages(&self) -> Vec<String> {
        self.stage.messages.lock().unwrap().clone()
    }
}

impl Taker for Stage {
    type Connection = ();
    const EXTENSIONS: &'static [&'static str] = &[];

    fn connected(self: &Arc<Self>) {}

    fn announced(&self) {
        self.pause(Silence::AtData);
    }

    fn taken(&self, (): &mut (), message: Vec<u8>) {
        self.messages.lock().unwrap().push(String::from_utf8(message).unwrap());
        self.pause(Silence::AfterTheDot);
    }
}

impl Stage {
    /// Returns when this step is to be answered.
    fn pause(&self, place: Silence) {
        if *self.silence.lock().unwrap() == Some(place) {
            self.fell_silent.send(()).unwrap();
            loop {
                std::thread::park();
            }
        }
    }
}
