//! What C and this crate know of each other, and how what C hands in becomes a slice or a text.

use core::ffi::{CStr, c_char, c_int, c_uint};

/// `struct ws_wait`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Wait {
    pub(crate) sock: c_int,
    pub(crate) events: c_int,
}

/// `struct ws_port`.
#[repr(C)]
pub(crate) struct Port {
    pub(crate) send: Option<unsafe extern "C" fn(c_int, *const u8, usize) -> c_int>,
    pub(crate) recv: Option<unsafe extern "C" fn(c_int, *mut u8, usize) -> c_int>,
    pub(crate) close: Option<unsafe extern "C" fn(c_int)>,
    pub(crate) accept: Option<unsafe extern "C" fn(c_int) -> c_int>,
    pub(crate) now_ms: Option<unsafe extern "C" fn() -> u32>,
    pub(crate) random: Option<unsafe extern "C" fn(*mut u8, usize) -> c_int>,
    pub(crate) wait: Option<unsafe extern "C" fn(*const Wait, usize, u32)>,
    pub(crate) lock: Option<unsafe extern "C" fn()>,
    pub(crate) unlock: Option<unsafe extern "C" fn()>,
}

/// `struct ws_pollfd`.
#[repr(C)]
pub(crate) struct PollFd {
    pub(crate) ws: c_int,
    pub(crate) events: i16,
    pub(crate) revents: i16,
}

/// `struct ws_glue_request`.
#[repr(C)]
pub(crate) struct GlueRequest {
    pub(crate) host: *const c_char,
    pub(crate) url: *const c_char,
    pub(crate) headers: *const *const c_char,
    pub(crate) buffer: *mut u8,
    pub(crate) buffer_len: usize,
    pub(crate) sends_headers: u8,
    pub(crate) looks: u8,
}

/// `struct ws_call`: known to C alone.
#[repr(C)]
pub(crate) struct Call {
    _opaque: [u8; 0],
}

unsafe extern "C" {
    /// The program's port.
    pub(crate) static ws_port: Port;
    pub(crate) static ws_glue_errno: [c_int; 14];
    pub(crate) fn ws_glue_headers(call: *mut Call) -> c_int;
    pub(crate) fn ws_glue_head(
        call: *mut Call,
        part: c_int,
        status: c_uint,
        at: *const u8,
        len: usize,
    ) -> c_int;
    pub(crate) fn ws_glue_connected(call: *mut Call, ws: c_int) -> c_int;
}

/// A slice that C describes; `None` for NULL, unless it is empty.
///
/// # Safety
/// Where it is not NULL, `data` is readable for `len` bytes while the call lasts.
pub(crate) unsafe fn bytes<'a>(data: *const u8, len: usize) -> Option<&'a [u8]> {
    if len == 0 {
        return Some(&[]);
    }
    // What is longer than this is no object of C's.
    if data.is_null() || len > isize::MAX.cast_unsigned() {
        return None;
    }
    // SAFETY: not NULL, not longer than an object may be, and readable as the caller says.
    Some(unsafe { core::slice::from_raw_parts(data, len) })
}

/// A buffer that C lends; `None` for NULL or a length of 0.
///
/// # Safety
/// Where it is not NULL, `data` is writable for `len` bytes for `'a`, and nobody else touches it.
pub(crate) unsafe fn buffer<'a>(data: *mut u8, len: usize) -> Option<&'a mut [u8]> {
    if data.is_null() || len == 0 || len > isize::MAX.cast_unsigned() {
        return None;
    }
    // SAFETY: as in `bytes`, and writable and the library's alone as the caller says.
    Some(unsafe { core::slice::from_raw_parts_mut(data, len) })
}

/// A text of C's, if it is one and UTF-8.
///
/// # Safety
/// Where it is not NULL, `text` ends in a 0 and stays for `'a`.
pub(crate) unsafe fn text<'a>(text: *const c_char) -> Option<&'a str> {
    if text.is_null() {
        return None;
    }
    // SAFETY: not NULL, and ends in a 0 as the caller says.
    unsafe { CStr::from_ptr(text) }.to_str().ok()
}

/// A list of texts with a NULL after the last.
#[derive(Clone, Copy)]
pub(crate) struct Texts {
    first: *const *const c_char,
}

// SAFETY: it is only read, in the call that was given it.
unsafe impl Sync for Texts {}

impl Texts {
    /// # Safety
    /// Where it is not NULL, `first` is the first of pointers to texts, NULL after the last, that all
    /// stay as they are while this is used.
    pub(crate) const unsafe fn new(first: *const *const c_char) -> Self {
        Self { first }
    }

    /// Each text; `None` for one that is not UTF-8.
    pub(crate) fn iter<'a>(self) -> impl Iterator<Item = Option<&'a str>> {
        let mut next = self.first;
        core::iter::from_fn(move || {
            if next.is_null() {
                return None;
            }
            // SAFETY: `next` is not behind the NULL of the list, as that ends the iterator.
            let found = unsafe { *next };
            if found.is_null() {
                next = core::ptr::null();
                return None;
            }
            // SAFETY: one behind an element that is not the last.
            next = unsafe { next.add(1) };
            // SAFETY: a text, as `new` asks for.
            Some(unsafe { text(found) })
        })
    }
}
