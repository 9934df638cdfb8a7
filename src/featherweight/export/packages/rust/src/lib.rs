//! @ABOUT@; the C program beside this file, without `std` and without an allocator.
#![no_std]

use core::ffi::{c_char, c_int, CStr};

/// Bytes of a picture: rows of pixels of channels.
pub const PIXELS: usize = @PIXELS@;
/// How many classes there are.
pub const CLASSES: usize = @CLASSES@;
/// How many pictures `Network::check` classifies.
pub const CHECKS: usize = @COUNT@;

extern "C" {
    static model_names: [*const c_char; CLASSES];
    fn model_read(picture: *const u8, scores: *mut i16) -> c_int;
    fn model_check() -> c_int;
}

/// The network, whose memory is static: whoever holds this value may use it.
pub struct Network(());

impl Network {
    /// # Safety
    ///
    /// There is at most one such value at a time.
    pub const unsafe fn new() -> Self {
        Network(())
    }

    /// The class of a picture, 0 to `CLASSES` - 1, and the scores of all classes.
    pub fn read(&mut self, picture: &[u8; PIXELS]) -> (usize, [i16; CLASSES]) {
        let mut scores = [0; CLASSES];
        let found = unsafe { model_read(picture.as_ptr(), scores.as_mut_ptr()) };
        (found as usize, scores)
    }

    /// Whether `CHECKS` pictures have the scores that they had where the network was exported; the number of the first
    /// one, from 1, that does not.
    pub fn check(&mut self) -> Result<(), usize> {
        match unsafe { model_check() } {
            0 => Ok(()),
            wrong => Err(wrong as usize),
        }
    }
}

/// The name of a class; panics for `CLASSES` and more.
pub fn name(class: usize) -> &'static CStr {
    unsafe { CStr::from_ptr(model_names[class]) }
}
@MODULES@