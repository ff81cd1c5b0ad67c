//! A certificate authority of the rig's own, and the one certificate that both
//! servers show. Made anew for each rig: no key lies in the repository.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

/// The names under which the servers may be reached.
const NAMES: [&str; 4] = ["localhost", "mail.example.test", "127.0.0.1", "::1"];

/// Writes `ca.crt`, `server.crt` (leaf, then authority) and `server.key`.
pub(crate) fn write(directory: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(directory)?;
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.distinguished_name.push(DnType::CommonName, "rig authority");
    let key = KeyPair::generate()?;
    let authority = params.self_signed(&key)?;
    let issuer = Issuer::new(params, key);

    let mut params = CertificateParams::new(NAMES.map(str::to_owned).to_vec())?;
    params.distinguished_name.push(DnType::CommonName, "localhost");
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    let server = params.signed_by(&key, &issuer)?;

    fs::write(directory.join("ca.crt"), authority.pem())?;
    fs::write(directory.join("server.crt"), server.pem() + &authority.pem())?;
    let private = directory.join("server.key");
    fs::write(&private, key.serialize_pem())?;
    fs::set_permissions(&private, fs::Permissions::from_mode(0o600))?;
    Ok(())
}
