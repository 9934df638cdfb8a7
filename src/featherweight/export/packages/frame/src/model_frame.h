/* From a camera's frame to the picture that model_read takes. */
#ifndef MODEL_FRAME_H
#define MODEL_FRAME_H

#include "model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How a frame holds its pixels. Of RGB565, a colour's upper bits fill its lower ones; of YUYV, colours are those of
 * BT.601 in full range, as in JPEG: red Y + 1.402 (V - 128), green Y - 0.344136 (U - 128) - 0.714136 (V - 128), blue
 * Y + 1.772 (U - 128), in units of 2^-16, rounded. */
enum {
    MODEL_GREY,       /* a byte a pixel */
    MODEL_RGB888,     /* red, green, blue */
    MODEL_RGB565_LE,  /* two bytes, the lower one first */
    MODEL_RGB565_BE,  /* two bytes, the upper one first, as most cameras send them */
    MODEL_YUYV        /* two pixels in four bytes; an even width */
};

/* @BROUGHT@ by the filter that training used: the same bytes as Pillow's Image.resize with
 * Image.Resampling.BILINEAR of version @PILLOW@, which averages over what a pixel covers. A frame with more than 1280 pixels
 * on a side shrinks first, as Image.reduce does it.
 *
 * pixels: the first row's first byte; stride: bytes from a row to the next; width and height: 1 to 5120.
 * picture: written. Gives 1, or 0 for a width, height, stride or format that cannot be; then nothing is written.
 * Whole numbers alone, no static memory, about 500 bytes of stack. */
int model_frame(const void *pixels, int width, int height, int stride, int format, uint8_t picture[MODEL_PIXELS]);

#ifdef __cplusplus
}
#endif

#endif
