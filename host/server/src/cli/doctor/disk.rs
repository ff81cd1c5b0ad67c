//! Checks of the data directory: permissions, free space, and whether it can be written.
//!
//! Each directory is checked by a write and a sync: a mount, permissions, a quota or the disk may
//! prevent them, and only writing shows it.
//!
//! Invariant: nothing remains. The file that is written has no name, where the file system allows
//! that, and ends with this process.

use std::fs::Metadata;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::fs::{Access, access, statvfs};
use rustix::io::Errno;

use crate::cli::doctor::check::Check;

/// Bytes of free disk space below which there is a warning.
const MIN_FREE: u64 = 1 << 30;
/// Bytes that are written: more than a file system stores in an inode.
const WRITTEN: usize = 64 << 10;

const DATA: &str = "data";

/// Subdirectories, which may be other mounts, and what fails while they cannot be written.
const WITHIN: [(&str, &str); 3] = [
    ("blobs", "no message with a large body is accepted"),
    ("spool", "no upload is accepted"),
    ("compiled", "components are compiled at each start"),
];

/// Checks the data directory and its subdirectories.
pub(crate) fn directories(data: &Path) -> Vec<Check> {
    let found = match std::fs::metadata(data) {
        Ok(found) => found,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return vec![unmade(data)];
        }
        Err(error) => {
            let finding = format!("{} cannot be read: {error}", data.display());
            return vec![Check::failed(DATA, finding, "run this as the user who runs the host")];
        }
    };
    if !found.is_dir() {
        return vec![no_directory(data)];
    }
    if let Err(error) = write_in(data) {
        return vec![unwritable(DATA, data, &error, "no message is accepted")];
    }
    let mut checks = vec![whole(data, &found)];
    for (name, effect) in WITHIN {
        let path = data.join(name);
        if path.is_dir()
            && let Err(error) = write_in(&path)
        {
            checks.push(unwritable(name, &path, &error, effect));
        }
    }
    checks
}

/// The check of a directory that does not exist yet.
fn unmade(data: &Path) -> Check {
    let place = data.display();
    let above = data.ancestors().skip(1).find(|above| above.exists());
    // The parent of a relative path of one component is the current directory.
    let above = above.filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !above.is_dir() {
        return no_directory(above);
    }
    if let Err(error) = access(above, Access::WRITE_OK | Access::EXEC_OK) {
        let above = above.display();
        let finding = format!("{place} does not exist, and cannot be created in {above}: {error}");
        let advice =
            format!("create it for the user who runs the host: install -d -m 700 -o USER {place}");
        return Check::failed(DATA, finding, advice);
    }
    Check::ok(DATA, format!("{place} will be created at the first start"))
}

fn no_directory(path: &Path) -> Check {
    let finding = format!("{} is not a directory", path.display());
    Check::failed(DATA, finding, "set `data` to another path")
}

/// The check of a directory that can be written.
fn whole(data: &Path, found: &Metadata) -> Check {
    let place = data.display();
    let mode = found.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        let finding = format!("others on this machine can read {place} (mode {mode:o})");
        return Check::warning(DATA, finding, format!("chmod 700 {place}"));
    }
    match statvfs(data) {
        Ok(disk) => {
            let free = disk.f_bavail.saturating_mul(disk.f_frsize);
            if free < MIN_FREE {
                let finding = format!("{} MiB are free for {place}", free >> 20);
                return Check::warning(
                    DATA,
                    finding,
                    "free disk space: with a full disk no message is accepted",
                );
            }
            Check::ok(DATA, format!("{place} can be written, {} GiB free", free >> 30))
        }
        Err(_) => Check::ok(DATA, format!("{place} can be written")),
    }
}

/// Writes an unnamed file, and syncs it.
fn write_in(directory: &Path) -> io::Result<()> {
    let mut file = tempfile::tempfile_in(directory)?;
    file.write_all(&[0; WRITTEN])?;
    file.sync_all()
}

/// The check of a directory that cannot be written; `effect` is what fails until it can.
fn unwritable(name: &str, directory: &Path, error: &io::Error, effect: &str) -> Check {
    let place = directory.display();
    let kind = error.kind();
    let (finding, advice) = if kind == ErrorKind::ReadOnlyFilesystem {
        (
            format!("{place} is on a file system that is mounted read-only"),
            "check the disk (the kernel's log says why it was remounted), then mount it for writing".to_owned(),
        )
    } else if kind == ErrorKind::PermissionDenied {
        (
            format!("this user may not write to {place}"),
            format!(
                "run this as the user who runs the host; if that fails too, give the directory to that user: chown -R USER {place}"
            ),
        )
    } else if kind == ErrorKind::StorageFull {
        (
            format!("the disk of {place} is full: {}", left(directory)),
            "free disk space (`df` shows the space of each disk, `df -i` its inodes)".to_owned(),
        )
    } else if kind == ErrorKind::QuotaExceeded {
        (
            format!("the disk quota of this user is exhausted: {place} cannot be written"),
            "free disk space, or raise the quota (`quota` shows it)".to_owned(),
        )
    } else if Errno::from_io_error(error) == Some(Errno::IO) {
        (
            format!("the disk of {place} reports an I/O error"),
            "check the kernel's log, stop the host, and replace the disk".to_owned(),
        )
    } else {
        (
            format!("{place} cannot be written: {error}"),
            "check the directory, and the disk that it is on".to_owned(),
        )
    };
    Check::failed(name, finding, format!("{advice}: until then {effect}"))
}

/// What is left of a full disk.
fn left(directory: &Path) -> String {
    match statvfs(directory) {
        Ok(disk) if disk.f_files > 0 && disk.f_favail == 0 => "no inode is free".to_owned(),
        Ok(disk) => format!("{} KiB are free", disk.f_bavail.saturating_mul(disk.f_frsize) >> 10),
        Err(_) => "no space is left".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::check::State;

    #[test]
    fn each_cause_has_its_advice() {
        for (errno, finding, advice) in [
            (Errno::ROFS, "mounted read-only", "mount it for writing: until then nothing works"),
            (Errno::ACCESS, "this user may not write to", "chown -R USER /data: until then"),
            (Errno::PERM, "this user may not write to", "chown -R USER /data: until then"),
            (Errno::NOSPC, "the disk of /data is full", "free disk space (`df`"),
            (Errno::DQUOT, "the disk quota of this user", "raise the quota"),
            (Errno::IO, "reports an I/O error", "replace the disk"),
            (Errno::NODEV, "/data cannot be written: No such device", "check the directory"),
        ] {
            let check = unwritable(DATA, Path::new("/data"), &errno.into(), "nothing works");
            assert_eq!((check.state, check.name.as_str()), (State::Failed, DATA));
            assert!(check.finding.contains(finding), "{errno}: {}", check.finding);
            let given = check.advice.unwrap_or_default();
            assert!(
                given.contains(advice) && given.ends_with("until then nothing works"),
                "{given}"
            );
        }
    }

    #[test]
    fn a_directory_that_can_be_written_is_left_as_it_was() {
        let scratch = tempfile::tempdir().unwrap();
        for (name, _) in WITHIN {
            std::fs::create_dir(scratch.path().join(name)).unwrap();
        }
        let checks = directories(scratch.path());
        assert!(checks.iter().all(|check| check.state != State::Failed), "{checks:?}");
        for (name, _) in WITHIN {
            assert_eq!(std::fs::read_dir(scratch.path().join(name)).unwrap().count(), 0);
        }
        assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), WITHIN.len());
        let unmade = directories(&scratch.path().join("not/yet"));
        assert_eq!((unmade.len(), unmade[0].state), (1, State::Ok));
        assert!(unmade[0].finding.ends_with("will be created at the first start"));
    }
}
