/* The pixels under a kernel in one run, for the faster code. */

/* Keeps the compiler from counting by several pointers where one number serves. */
#define KEEP_COUNT(number) __asm__("" : "+r"(number))

/* Whether no row of the kernel lies outside the picture, nor has gaps. */
static int rows_are_whole(const work *now)
{
    int whole = DILATION_X(now->it) == 1;
    for (int y = BEGIN(now); y < END(now); y++) {
        whole &= ROW(now, y) != 0;
    }
    return whole;
}

#if WINDOW
static void copy4(uint8_t *to, const uint8_t *from)
{
#if DSP
    __builtin_memcpy(to, from, 4);
#else
    to[0] = from[0];
    to[1] = from[1];
    to[2] = from[2];
    to[3] = from[3];
#endif
}

/* Copies the pixels from column `first` on, row after row, with what lies outside. */
NOINLINE static const uint8_t *copy_window(const work *now, int first, uint8_t *to)
{
    const layer *const it = now->it;
    const int channels = now->in->channels;
    const uint8_t *const begin = to;
    for (int y = BEGIN(now); y < END(now); y++) {
        const uint8_t *const row = ROW(now, y);
        int column = first;
        for (int part = it->kernel_columns; part; part--, column += DILATION_X(it)) {
            const int outside = !row || column < 0 || column >= now->in->width;
            const uint8_t *from = outside ? &it->zero_point : row + column * channels;
            for (int left = channels; left; left--, from += !outside) {
                *to++ = *from;
            }
        }
    }
    return begin;
}

/* The same where all lies inside; up to three bytes more are written. */
NOINLINE static const uint8_t *copy_inner(const work *now, int first, uint8_t *to)
{
    const int channels = now->in->channels, span = now->it->kernel_columns * channels;
    const int by_words = (span + 3) / 4 * 4 <= (now->in->width - first) * channels;
    const uint8_t *const begin = to;
    for (int y = BEGIN(now); y < END(now); y++, to += span) {
        const uint8_t *const from = ROW(now, y) + first * channels;
        int at = 0;
        for (; at < (by_words ? span : span - 3); at += 4) {
            copy4(to + at, from + at);
        }
        for (; at < span; at++) {
            to[at] = from[at];
        }
    }
    return begin;
}
#endif
