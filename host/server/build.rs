//! Tells the program when it was built: old mail software has holes that are known.
//!
//! SOURCE_DATE_EPOCH goes first (<https://reproducible-builds.org/specs/source-date-epoch/>).
//! Otherwise it is the time of the first build after dependencies changed, so that an edit
//! does not run this again.

use std::env;
use std::error::Error;
use std::time::{SystemTime, UNIX_EPOCH};

#[expect(clippy::disallowed_methods, reason = "a build has no Clock port")]
fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-env-changed=SOURCE_DATE_EPOCH");
    println!("cargo::rerun-if-changed=../../Cargo.lock");
    let built = match env::var("SOURCE_DATE_EPOCH") {
        Ok(told) => told.parse()?,
        Err(_) => SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs(),
    };
    println!("cargo::rustc-env=POSTLET_BUILT={built}");
    Ok(())
}
