//! File descriptors that the supervisor left open for this process.

use std::net::TcpListener;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

/// What the supervisor hands over, each descriptor taken once.
#[derive(Debug)]
pub(crate) struct Inherited {
    pub(crate) control: UnixStream,
    pub(crate) listener: TcpListener,
    /// Where other hosts of the lattice connect.
    pub(crate) hosts: Option<TcpListener>,
}

impl Inherited {
    /// Takes the descriptors; they must be distinct, past the standard streams, and open.
    pub(crate) fn take(
        control: RawFd,
        listener: RawFd,
        hosts: Option<RawFd>,
    ) -> Result<Self, String> {
        let mut all = vec![control, listener];
        all.extend(hosts);
        all.sort_unstable();
        if let Some([one, _]) = all.array_windows().find(|[one, other]| one == other) {
            return Err(format!("{one} is given for two descriptors"));
        }
        let (control, listener) = (own(control)?, own(listener)?);
        Ok(Self {
            control: control.into(),
            listener: listener.into(),
            hosts: hosts.map(own).transpose()?.map(Into::into),
        })
    }
}

fn own(descriptor: RawFd) -> Result<OwnedFd, String> {
    let open = std::path::Path::new("/dev/fd")
        .join(descriptor.to_string())
        .symlink_metadata()
        .is_ok();
    if descriptor <= 2 || !open {
        return Err(format!(
            "file descriptor {descriptor} was not inherited; wisp-worker is started by `wisp up`"
        ));
    }
    #[expect(
        unsafe_code,
        reason = "the standard library has no safe way to take over an inherited descriptor"
    )]
    // SAFETY: the descriptor is open, is none of the standard streams, and nothing else in this process, which has just
    // started and takes each number once, uses it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}
