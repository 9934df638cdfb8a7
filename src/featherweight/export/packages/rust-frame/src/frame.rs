use core::ffi::{c_int, c_void};

use crate::PIXELS;

extern "C" {
    fn model_frame(pixels: *const c_void, width: c_int, height: c_int, stride: c_int, format: c_int, picture: *mut u8) -> c_int;
}

/// How a frame holds its pixels, as `src/model_frame.h` describes.
#[derive(Clone, Copy)]
pub enum Format {
    Grey,
    Rgb888,
    Rgb565Le,
    Rgb565Be,
    Yuyv,
}

/// Makes a camera's frame, of `height` rows of `stride` bytes, a picture; false for a frame that cannot be.
pub fn frame(pixels: &[u8], width: usize, height: usize, stride: usize, format: Format, picture: &mut [u8; PIXELS]) -> bool {
    let sizes = [width, height, stride].map(|size| c_int::try_from(size).unwrap_or(0));
    if stride.checked_mul(height).map_or(true, |bytes| bytes > pixels.len()) {
        return false;
    }
    let whole = pixels.as_ptr().cast();
    unsafe { model_frame(whole, sizes[0], sizes[1], sizes[2], format as c_int, picture.as_mut_ptr()) == 1 }
}
