//! Writes the schemas of the component's requests and responses, for [`kit::schema!`].

use std::io;

use shapes::changes::{Change, Target};
use shapes::messages::{Changed, Message, Messages, Moved};
use shapes::schema::{write_request, write_response};

fn main() -> io::Result<()> {
    write_request::<Change>("change")?;
    write_request::<Target>("target")?;
    write_response::<Messages<'_>>("messages")?;
    write_response::<Message<'_>>("message")?;
    write_response::<Changed<'_>>("changed")?;
    write_response::<Moved<'_>>("moved")
}
