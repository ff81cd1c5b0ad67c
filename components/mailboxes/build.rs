//! Writes the schema of the component's response, for [`kit::schema!`].

use std::io;

use shapes::mailboxes::Mailboxes;
use shapes::schema::write_response;

fn main() -> io::Result<()> {
    write_response::<Mailboxes<'_>>("mailboxes")
}
