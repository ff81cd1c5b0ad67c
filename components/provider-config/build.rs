//! Writes the schema of the component's response, for [`kit::schema!`].

use std::io;

use shapes::providers::Provider;
use shapes::schema::write_response;

fn main() -> io::Result<()> {
    write_response::<Provider<'_>>("provider")
}
