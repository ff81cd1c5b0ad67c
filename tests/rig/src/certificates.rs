//! The rig's certificate authority, and the certificate of both servers, which may be invalid on
//! purpose. Generated for each rig: the repository contains no key.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

/// The names in the servers' certificate.
const NAMES: [&str; 4] = ["localhost", "mail.example.test", "127.0.0.1", "::1"];

/// The defect of the servers' certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Certificate {
    /// None.
    #[default]
    Good,
    /// It expired in 2001.
    Expired,
    /// It expires ten days from now.
    EndsSoon,
    /// It is for `elsewhere.example.test` only.
    OfAnotherHost,
    /// It is self-signed.
    SelfSigned,
}

/// Writes `ca.crt`, `server.crt` (leaf, then authority) and `server.key`.
pub(crate) fn write(directory: &Path, certificate: Certificate) -> anyhow::Result<()> {
    fs::create_dir_all(directory)?;
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.distinguished_name.push(DnType::CommonName, "rig authority");
    let key = KeyPair::generate()?;
    let authority = params.self_signed(&key)?;
    let issuer = Issuer::new(params, key);

    let elsewhere = ["elsewhere.example.test"];
    let names: &[&str] =
        if certificate == Certificate::OfAnotherHost { &elsewhere } else { &NAMES };
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names)?;
    match certificate {
        Certificate::Expired => {
            params.not_before = rcgen::date_time_ymd(2000, 1, 1);
            params.not_after = rcgen::date_time_ymd(2001, 1, 1);
        }
        Certificate::EndsSoon => {
            #[expect(clippy::disallowed_methods, reason = "real servers use the system clock")]
            let now = SystemTime::now();
            params.not_after = (now + Duration::from_secs(10 * 24 * 60 * 60)).into();
        }
        Certificate::Good | Certificate::OfAnotherHost | Certificate::SelfSigned => {}
    }
    params.distinguished_name.push(DnType::CommonName, "localhost");
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    let server = if certificate == Certificate::SelfSigned {
        params.self_signed(&key)?
    } else {
        params.signed_by(&key, &issuer)?
    };

    fs::write(directory.join("ca.crt"), authority.pem())?;
    fs::write(directory.join("server.crt"), server.pem() + &authority.pem())?;
    let private = directory.join("server.key");
    fs::write(&private, key.serialize_pem())?;
    fs::set_permissions(&private, fs::Permissions::from_mode(0o600))?;
    Ok(())
}
