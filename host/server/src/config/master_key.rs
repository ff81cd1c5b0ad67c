//! Where the master key comes from: a file, or the environment.
//!
//! Invariant: one of the two, never a choice between them: a host that took the
//! wrong one would seal what the right one cannot open.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use model::secret::Secret;
use store::keys::Keys;
use store::keys::key_file::KeyFile;
use store::keys::seal::MasterKey;

/// The variable that holds the key: 32 bytes in base64.
pub const VARIABLE: &str = "POSTLET_MASTER_KEY";
/// The variable that holds the key before it, for the start that changes one for the other.
pub const PREVIOUS: &str = "POSTLET_MASTER_KEY_PREVIOUS";

/// What the environment held. It is taken out of it, so that no child inherits it.
#[derive(Debug, Default)]
pub struct EnvironmentKeys {
    /// [`VARIABLE`].
    pub current: Option<Secret>,
    /// [`PREVIOUS`].
    pub previous: Option<Secret>,
}

/// The one source of the key.
#[derive(Debug)]
pub enum KeySource {
    /// A file, which is made on the first start, and where a new key can be written.
    File(KeyFile),
    /// The environment. Whoever keeps the key there changes it there.
    Environment(Keys),
}

impl KeySource {
    /// `named` is the file that the configuration names, if it does.
    ///
    /// # Errors
    /// When a file and the environment both give a key, or the environment gives something else.
    pub fn choose(
        given: &EnvironmentKeys,
        named: Option<&Path>,
        data: &Path,
    ) -> anyhow::Result<Self> {
        let usual = data.join("master.key");
        let Some(current) = &given.current else {
            if given.previous.is_some() {
                bail!("{PREVIOUS} is set without {VARIABLE}, which holds the key that replaces it");
            }
            return Ok(Self::file(named.map_or(usual, Path::to_owned)));
        };
        if named.is_some() {
            bail!(
                "the master key is in {VARIABLE} and `key-file` names a file: remove one of the two"
            );
        }
        if usual.exists() {
            bail!(
                "the master key is in {VARIABLE} and in {}: to keep it in the environment, move the file's \
                 content there and the file away",
                usual.display()
            );
        }
        let read =
            |secret: &Secret, name: &'static str| MasterKey::from_base64(secret).context(name);
        let previous = given.previous.as_ref().map(|secret| read(secret, PREVIOUS)).transpose()?;
        Ok(Self::Environment(Keys::new(read(current, VARIABLE)?, previous)))
    }

    /// A file that may not be there yet.
    #[must_use]
    pub fn file(path: PathBuf) -> Self {
        Self::File(KeyFile::new(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

    #[test]
    fn the_key_has_one_source_and_whatever_else_is_there_is_named() {
        let data = tempfile::tempdir().unwrap();
        let named = Path::new("/etc/key");
        let choose = |current: Option<&str>, previous: Option<&str>, named: Option<&Path>| {
            let secret = |text: Option<&str>| text.map(|text| Secret::new(text.to_owned()));
            let given = EnvironmentKeys { current: secret(current), previous: secret(previous) };
            let chosen = KeySource::choose(&given, named, data.path());
            chosen.map_err(|error| format!("{error:#}"))
        };
        let (file, key) = (choose(None, None, Some(named)), choose(Some(KEY), Some(KEY), None));
        assert!(matches!(file, Ok(KeySource::File(_))), "{file:?}");
        assert!(matches!(key, Ok(KeySource::Environment(_))), "{key:?}");
        let told = choose(Some(KEY), None, Some(named)).unwrap_err();
        assert!(told.contains(VARIABLE) && told.contains("`key-file`"), "{told}");
        let told = choose(Some("hunter2"), None, None).unwrap_err();
        assert!(told.starts_with(VARIABLE) && told.contains("32 bytes"), "{told}");
        assert!(!told.contains("hunter2"), "{told}");
        assert!(choose(None, Some(KEY), None).unwrap_err().contains(PREVIOUS));
        std::fs::write(data.path().join("master.key"), KEY).unwrap();
        let told = choose(Some(KEY), None, None).unwrap_err();
        assert!(told.contains(VARIABLE) && told.contains("master.key"), "{told}");
    }
}
