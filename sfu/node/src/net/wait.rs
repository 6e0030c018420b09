//! Sleeping until a datagram, a message of another thread, or a deadline.

use super::socket::MediaSocket;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

/// Sockets that one shard may wait for: one per address family.
const SOCKETS_MAX: usize = 2;

/// Wakes a [`Waiter`] from any thread; many wake-ups before it runs count as one.
#[derive(Clone)]
pub struct Waker {
    event: Arc<OwnedFd>,
}

impl Waker {
    /// Wakes it, now or when it next wants to sleep.
    pub fn wake(&self) {
        let one: u64 = 1;
        // SAFETY: eight bytes of a live integer are written. The one possible failure is a full counter, and then the
        // waiter is about to wake up anyway.
        let _ = unsafe { libc::write(self.event.as_raw_fd(), (&raw const one).cast(), size_of::<u64>()) };
    }
}

/// What ended a sleep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ready {
    /// Which sockets have datagrams, by their place in [`Waiter::new`].
    pub sockets: [bool; SOCKETS_MAX],
    /// Whether somebody called [`Waker::wake`].
    pub woken: bool,
}

/// An epoll instance over the sockets of a shard and its [`Waker`].
pub struct Waiter {
    epoll: OwnedFd,
    event: Arc<OwnedFd>,
}

/// What epoll hands back for the waker; sockets carry their index.
const WAKE: u64 = u64::MAX;

impl Waiter {
    /// Watches these sockets.
    ///
    /// # Errors
    ///
    /// When the process has no descriptors left.
    pub fn new(sockets: &[MediaSocket]) -> io::Result<Self> {
        // SAFETY: the call takes flags only; the descriptor is owned by the result.
        let epoll = owned(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: as above.
        let event = owned(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })?;
        let waiter = Waiter {
            epoll,
            event: Arc::new(event),
        };
        waiter.watch(waiter.event.as_raw_fd(), WAKE)?;
        for (index, socket) in sockets.iter().enumerate() {
            waiter.watch(socket.raw(), index as u64)?;
        }
        Ok(waiter)
    }

    /// Something that wakes it.
    pub fn waker(&self) -> Waker {
        Waker {
            event: Arc::clone(&self.event),
        }
    }

    /// Sleeps until something is there or the time is over (`None`: as long as it takes). Times are rounded up to
    /// whole milliseconds, so a deadline has passed when this returns because of it.
    ///
    /// # Errors
    ///
    /// As `epoll_wait(2)`, except that "interrupted" is an early end.
    pub fn wait(&self, timeout: Option<Duration>) -> io::Result<Ready> {
        let milliseconds = timeout.map_or(-1, |timeout| {
            i32::try_from(timeout.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX)
        });
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; SOCKETS_MAX + 1];
        // SAFETY: the kernel writes at most as many events as the array holds.
        let count = unsafe {
            libc::epoll_wait(
                self.epoll.as_raw_fd(),
                events.as_mut_ptr(),
                events.len() as i32,
                milliseconds,
            )
        };
        let mut ready = Ready::default();
        let Ok(count) = usize::try_from(count) else {
            let error = io::Error::last_os_error();
            return if error.kind() == io::ErrorKind::Interrupted {
                Ok(ready)
            } else {
                Err(error)
            };
        };
        for event in events.iter().take(count) {
            let token = event.u64;
            if token == WAKE {
                self.clear();
                ready.woken = true;
            } else if let Some(socket) = usize::try_from(token)
                .ok()
                .and_then(|index| ready.sockets.get_mut(index))
            {
                *socket = true;
            }
        }
        Ok(ready)
    }

    fn clear(&self) {
        let mut count: u64 = 0;
        // SAFETY: eight bytes are read into a live integer; the descriptor does not block.
        let _ = unsafe { libc::read(self.event.as_raw_fd(), (&raw mut count).cast(), size_of::<u64>()) };
    }

    fn watch(&self, descriptor: i32, token: u64) -> io::Result<()> {
        let mut event = libc::epoll_event {
            events: libc::EPOLLIN as u32,
            u64: token,
        };
        // SAFETY: both descriptors are open and the event outlives the call.
        let result = unsafe {
            libc::epoll_ctl(
                self.epoll.as_raw_fd(),
                libc::EPOLL_CTL_ADD,
                descriptor,
                &mut event,
            )
        };
        if result == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    }
}

fn owned(descriptor: i32) -> io::Result<OwnedFd> {
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the system call has just returned this open descriptor, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_waker_ends_a_sleep_once_and_an_unwoken_sleep_ends_by_time() {
        let waiter = Waiter::new(&[]).unwrap();
        let waker = waiter.waker();
        std::thread::spawn(move || {
            waker.wake();
            waker.wake();
        })
        .join()
        .unwrap();
        assert!(waiter.wait(None).unwrap().woken);
        assert_eq!(
            waiter.wait(Some(Duration::from_millis(1))).unwrap(),
            Ready::default()
        );
    }
}
