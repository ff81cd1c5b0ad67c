//! Configuration of a mailroom.
//!
//! Checked once, at start; later code relies on it.

/// The users and the host name of a mailroom.
#[derive(Clone, Debug)]
pub struct Config {
    /// The users; their domains are the mailroom's own domains.
    pub users: Vec<User>,
    /// The name in greetings and in the certificate, which is also good for
    /// `localhost`, 127.0.0.1 and ::1.
    pub hostname: String,
}

/// One mailbox login. The login name is the address.
#[derive(Clone)]
pub struct User {
    /// An address, `local@domain`; compared without regard to case.
    pub email: String,
    /// Compared byte for byte.
    pub password: String,
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User").field("email", &self.email).finish_non_exhaustive()
    }
}
