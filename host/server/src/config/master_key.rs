//! Source of the master key: a file, or the environment.
//!
//! Invariant: there is exactly one source. With two, a host that took the wrong key
//! would encrypt data that the right one cannot decrypt.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use model::secret::Secret;
use store::keys::Keys;
use store::keys::key_file::KeyFile;
use store::keys::seal::MasterKey;

/// The environment variable of the master key: 32 bytes in base64.
pub const VARIABLE: &str = "POSTLET_MASTER_KEY";
/// The environment variable of the previous master key, for the start that replaces it.
pub const PREVIOUS: &str = "POSTLET_MASTER_KEY_PREVIOUS";

/// Master keys from the environment. They are removed from it, so that no child inherits them.
#[derive(Debug, Default)]
pub struct EnvironmentKeys {
    /// [`VARIABLE`].
    pub current: Option<Secret>,
    /// [`PREVIOUS`].
    pub previous: Option<Secret>,
}

/// The source of the master key.
#[derive(Debug)]
pub enum KeySource {
    /// A file, which is created at the first start; rotation writes a new key to it.
    File(KeyFile),
    /// The environment. The operator rotates the key there.
    Environment(Keys),
}

impl KeySource {
    /// Selects the source. `named` is the `key-file` of the configuration.
    ///
    /// # Errors
    /// When a file and the environment both have a key, or the environment has an invalid one.
    pub fn choose(
        given: &EnvironmentKeys,
        named: Option<&Path>,
        data: &Path,
    ) -> anyhow::Result<Self> {
        let default = data.join("master.key");
        let Some(current) = &given.current else {
            if given.previous.is_some() {
                bail!("{PREVIOUS} is set without {VARIABLE}, which holds the key that replaces it");
            }
            return Ok(Self::file(named.map_or(default, Path::to_owned)));
        };
        if named.is_some() {
            bail!(
                "the master key is in {VARIABLE} and `key-file` names a file: remove one of the two"
            );
        }
        if default.exists() {
            bail!(
                "the master key is in {VARIABLE} and in {}: to keep it in the environment, move the file's \
                 content there and remove the file",
                default.display()
            );
        }
        let read =
            |secret: &Secret, name: &'static str| MasterKey::from_base64(secret).context(name);
        let previous = given.previous.as_ref().map(|secret| read(secret, PREVIOUS)).transpose()?;
        Ok(Self::Environment(Keys::new(read(current, VARIABLE)?, previous)))
    }

    /// A key file, which need not exist yet.
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
    fn the_key_has_one_source_and_a_second_one_is_named() {
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
        let error = choose(Some(KEY), None, Some(named)).unwrap_err();
        assert!(error.contains(VARIABLE) && error.contains("`key-file`"), "{error}");
        let error = choose(Some("hunter2"), None, None).unwrap_err();
        assert!(error.starts_with(VARIABLE) && error.contains("32 bytes"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
        assert!(choose(None, Some(KEY), None).unwrap_err().contains(PREVIOUS));
        std::fs::write(data.path().join("master.key"), KEY).unwrap();
        let error = choose(Some(KEY), None, None).unwrap_err();
        assert!(error.contains(VARIABLE) && error.contains("master.key"), "{error}");
    }
}
