//! What a thread of the library does first, since it lives in a process whose owner may know nothing of it.
//!
//! Owns: nothing. Called on the thread concerned. Must not import anything of this crate.

/// Keeps `SIGPIPE` from this thread and those it starts: a connection that the other side has closed is an error of the write,
/// and must not end a host that has not ignored this signal. (Rust's own programs ignore it, others do not.)
///
/// For the start of every thread that writes to sockets. Elsewhere than on Unix there is no such signal.
pub fn shield_from_broken_pipes() {
    #[cfg(unix)]
    // SAFETY: the set is filled before it is read; the mask is that of this thread only.
    unsafe {
        let mut signals = std::mem::MaybeUninit::<libc::sigset_t>::zeroed();
        libc::sigemptyset(signals.as_mut_ptr());
        libc::sigaddset(signals.as_mut_ptr(), libc::SIGPIPE);
        libc::pthread_sigmask(libc::SIG_BLOCK, signals.as_ptr(), std::ptr::null_mut());
    }
}

/// Asks for this thread to be served before ordinary ones, as the audio clock needs it on a busy machine. Where the process may
/// not have that (Linux: without `CAP_SYS_NICE`) everything is as before.
pub(crate) fn hasten() {
    /// Ten steps above the ordinary: before every other thread, behind the kernel's and a sound server's.
    #[cfg(target_os = "linux")]
    const NICE: i32 = -10;
    #[cfg(target_os = "linux")]
    // SAFETY: two plain numbers; 0 means the calling thread on Linux.
    unsafe {
        libc::setpriority(libc::PRIO_PROCESS, 0, NICE);
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::os::fd::FromRawFd as _;

    #[test]
    fn a_broken_pipe_is_an_error_in_a_program_that_does_not_ignore_the_signal() {
        // SAFETY: the default action, as in a C program; only this test's threads write to a broken pipe meanwhile.
        let before = unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
        let written = std::thread::spawn(|| {
            shield_from_broken_pipes();
            let mut ends = [0; 2];
            // SAFETY: room for both ends; each is owned once.
            let mut writer = unsafe {
                assert_eq!(libc::pipe(ends.as_mut_ptr()), 0);
                libc::close(ends[0]);
                std::fs::File::from_raw_fd(ends[1])
            };
            writer.write_all(b"x").map_err(|error| error.kind())
        });
        assert_eq!(written.join().expect("the thread lives"), Err(std::io::ErrorKind::BrokenPipe));
        // SAFETY: as it was.
        unsafe { libc::signal(libc::SIGPIPE, before) };
    }
}
