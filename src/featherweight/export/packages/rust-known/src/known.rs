use core::ffi::c_int;

use crate::CLASSES;

extern "C" {
    fn model_known(scores: *const i16) -> c_int;
}

/// The class by the scores that `Network::read` gave, or `None` for none of these.
pub fn known(scores: &[i16; CLASSES]) -> Option<usize> {
    usize::try_from(unsafe { model_known(scores.as_ptr()) }).ok()
}
