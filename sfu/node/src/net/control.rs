//! Control messages (`cmsg`, RFC 3542 section 20): which of our addresses a datagram came to and leaves from, and how
//! a train is cut into datagrams.

use std::mem::{size_of, zeroed};
use std::net::IpAddr;

/// Room for one address and one segment size: each takes at most 40 bytes with its header (LP64).
pub const CONTROL_SIZE: usize = 96;

/// A buffer with the alignment that control messages need.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
pub struct ControlBuffer(pub [u8; CONTROL_SIZE]);

impl ControlBuffer {
    pub const EMPTY: ControlBuffer = ControlBuffer([0; CONTROL_SIZE]);
}

/// Finds the local address in the control messages of a received datagram.
pub fn local_address(header: &libc::msghdr) -> Option<IpAddr> {
    // SAFETY: `header` was filled in by recvmmsg and its control pointer and length describe a live buffer; the CMSG
    // macros stay inside it, and a payload is read only after its type and length were checked.
    unsafe {
        let mut message = libc::CMSG_FIRSTHDR(header);
        while !message.is_null() {
            let data = libc::CMSG_DATA(message);
            let len = (*message).cmsg_len as usize;
            match ((*message).cmsg_level, (*message).cmsg_type) {
                (libc::IPPROTO_IP, libc::IP_PKTINFO) if holds::<libc::in_pktinfo>(len) => {
                    let info: libc::in_pktinfo = data.cast::<libc::in_pktinfo>().read_unaligned();
                    return Some(IpAddr::from(info.ipi_addr.s_addr.to_ne_bytes()));
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) if holds::<libc::in6_pktinfo>(len) => {
                    let info: libc::in6_pktinfo = data.cast::<libc::in6_pktinfo>().read_unaligned();
                    return Some(IpAddr::from(info.ipi6_addr.s6_addr));
                }
                _ => message = libc::CMSG_NXTHDR(header, message),
            }
        }
    }
    None
}

/// Whether a message of this length carries a whole `T`.
fn holds<T>(len: usize) -> bool {
    // SAFETY: CMSG_LEN is arithmetic on its argument.
    len >= unsafe { libc::CMSG_LEN(size_of::<T>() as u32) } as usize
}

/// Writes the control messages of a datagram or train that goes out: the address that it leaves from, and the size of
/// its segments. Returns their length.
pub fn write(buffer: &mut ControlBuffer, source: Option<IpAddr>, segment: Option<u16>) -> usize {
    buffer.0.fill(0);
    // SAFETY: an all-zero msghdr is valid (null pointers, zero lengths).
    let mut header: libc::msghdr = unsafe { zeroed() };
    header.msg_control = buffer.0.as_mut_ptr().cast();
    header.msg_controllen = CONTROL_SIZE as _;
    let mut used = 0;
    // SAFETY: `header` describes `buffer`, which is zeroed, aligned, and large enough for both messages
    // (CMSG_SPACE of in6_pktinfo is 40 and of u16 is 24), so neither CMSG_FIRSTHDR nor the one CMSG_NXTHDR is null;
    // they are checked all the same.
    unsafe {
        let mut message = libc::CMSG_FIRSTHDR(&header);
        match source {
            Some(IpAddr::V4(address)) if !message.is_null() => {
                let mut info: libc::in_pktinfo = zeroed();
                info.ipi_spec_dst.s_addr = u32::from_ne_bytes(address.octets());
                used += put(message, libc::IPPROTO_IP, libc::IP_PKTINFO, info);
                message = libc::CMSG_NXTHDR(&header, message);
            }
            Some(IpAddr::V6(address)) if !message.is_null() => {
                let mut info: libc::in6_pktinfo = zeroed();
                info.ipi6_addr.s6_addr = address.octets();
                used += put(message, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info);
                message = libc::CMSG_NXTHDR(&header, message);
            }
            _ => {}
        }
        if let Some(segment) = segment
            && !message.is_null()
        {
            used += put(message, libc::SOL_UDP, libc::UDP_SEGMENT, segment);
        }
    }
    used
}

/// Fills one control message and returns the space it takes.
///
/// # Safety
///
/// `message` points to a header with CMSG_SPACE of `T` bytes behind it in the same buffer.
unsafe fn put<T>(message: *mut libc::cmsghdr, level: i32, kind: i32, value: T) -> usize {
    let size = size_of::<T>() as u32;
    // SAFETY: the caller promises the space; the payload is written unaligned.
    unsafe {
        (*message).cmsg_level = level;
        (*message).cmsg_type = kind;
        (*message).cmsg_len = libc::CMSG_LEN(size) as _;
        libc::CMSG_DATA(message).cast::<T>().write_unaligned(value);
        libc::CMSG_SPACE(size) as usize
    }
}
