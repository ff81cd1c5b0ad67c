//! A pseudo-terminal for a command, with keyboard input and a screen: `script(1)` provides it, and
//! echoes what is typed unless the command disables that.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use crate::process::binary;
use crate::wait::wait_until;

/// A command at a terminal of its own.
#[derive(Debug)]
pub struct Terminal {
    child: Child,
    screen: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    /// With this token, in this locale.
    pub fn run(url: &str, token: &str, args: &str, locale: &str) -> Self {
        let mut child = Command::new("script")
            .args(["-qfec", &format!("'{}' {args}", binary()), "/dev/null"])
            .env("POSTLET_URL", url)
            .env("POSTLET_TOKEN", token)
            .env("LC_ALL", locale)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut out = child.stdout.take().unwrap();
        let screen = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&screen);
        std::thread::spawn(move || {
            let mut bytes = [0; 1024];
            while let Ok(count @ 1..) = out.read(&mut bytes) {
                shared.lock().unwrap().extend_from_slice(&bytes[..count]);
            }
        });
        Self { child, screen }
    }

    /// The content of the screen.
    pub fn said(&self) -> String {
        String::from_utf8_lossy(&self.screen.lock().unwrap()).into_owned()
    }

    /// Waits for text on the screen.
    pub fn until(&self, words: &str) {
        wait_until(words, || self.said().contains(words));
    }

    pub fn until_twice(&self, words: &str) {
        wait_until(words, || self.said().matches(words).count() == 2);
    }

    /// Types a line.
    pub fn types(&mut self, line: &str) {
        let keyboard = self.child.stdin.as_mut().unwrap();
        keyboard.write_all(format!("{line}\n").as_bytes()).unwrap();
        keyboard.flush().unwrap();
    }

    /// All of its output, after it has exited with this status.
    #[track_caller]
    pub fn ends(mut self, well: bool) -> String {
        let mut ended = None;
        wait_until("the command to end", || {
            ended = self.child.try_wait().unwrap();
            ended.is_some()
        });
        // Output that is still on its way ends with a line.
        wait_until("its last line", || self.said().trim_end().ends_with(|c: char| !c.is_control()));
        assert_eq!(ended.unwrap().success(), well, "{}", self.said());
        self.said()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It has exited, unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
