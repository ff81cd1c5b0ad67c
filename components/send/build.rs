//! Writes the schemas of the component's requests and responses, for [`kit::schema!`].

use std::io;

use shapes::drafts::{Draft, DraftForm};
use shapes::schema::{write_request, write_response};
use shapes::submissions::{Receipt, Submission, Submissions};

fn main() -> io::Result<()> {
    write_request::<Draft<'_>>("draft")?;
    write_request::<DraftForm>("form")?;
    write_response::<Receipt<'_>>("receipt")?;
    write_response::<Submission<'_>>("submission")?;
    write_response::<Submissions<'_>>("submissions")
}
