/* The pixels under a kernel at two places, as the DSP extension multiplies them. */

/* The pixels under a kernel at two places, in numbers of 16 bits, in the order in which weights are unpacked: in 8 bits, of
 * every four the even ones here and there, then the odd ones; in 4 bits, of every eight the first and the fifth here and
 * there, then the second and the sixth, and so on. Zeros fill the last group. */
static uint32_t pairs[PAIRS];

#if WEIGHT_BITS == 8
enum { GROUP = 4 };

/* Words of both places. */
INLINE static uint32_t *widen_word(uint32_t *to, uint32_t here, uint32_t there)
{
    to = store_two(to, even_bytes(here), even_bytes(there));
    return store_two(to, odd_bytes(here), odd_bytes(there));
}
#else
enum { GROUP = 8 };
#endif

/* So many bytes, four at most, and zeros; `before` may be read as well. */
INLINE static uint32_t load_some(const uint8_t *from, int count, int before)
{
    uint32_t found = 0;
    if (count >= 4) {
        return load4(from);
    }
    if (count > 0 && before + count >= 4) {
        return load4(from + count - 4) >> 8 * (4 - count);
    }
    for (; count > 0; count--) {
        found = found << 8 | from[count - 1];
    }
    return found;
}

/* So many pixels of both places; in 4 bits, also adds up what is there: weights are unpacked as numbers from 1 to 15, 8 too
 * many, which is made up for. */
INLINE static uint32_t *widen(uint32_t *to, const uint8_t *here, const uint8_t *there, int count, uint32_t totals[2])
{
#if WEIGHT_BITS == 8
    int left = count;
    totals[0] = totals[1] = 0;
    for (; left >= 4; left -= 4, here += 4, there += 4) {
        to = widen_word(to, load4(here), load4(there));
    }
    if (left) {
        to = widen_word(to, load_some(here, left, count - left), load_some(there, left, count - left));
    }
    return to;
#else
    uint32_t total_here = totals[0], total_there = totals[1];
    for (int at = 0; at < count; at += 8) {
        const int left = count - at;
        const uint32_t one = load_some(here + at, left, at), two = load_some(there + at, left, at);
        const uint32_t next = left > 4 ? load_some(here + at + 4, left - 4, at + 4) : 0;
        const uint32_t other = left > 4 ? load_some(there + at + 4, left - 4, at + 4) : 0;
        const uint32_t even = even_bytes(one), odd = odd_bytes(one), even_there = even_bytes(two);
        const uint32_t odd_there = odd_bytes(two), even_after = even_bytes(next), odd_after = odd_bytes(next);
        const uint32_t even_last = even_bytes(other), odd_last = odd_bytes(other);
        to = store_two(to, lower_halves(even, even_after), lower_halves(even_there, even_last));
        to = store_two(to, lower_halves(odd, odd_after), lower_halves(odd_there, odd_last));
        to = store_two(to, upper_halves(even, even_after), upper_halves(even_there, even_last));
        to = store_two(to, upper_halves(odd, odd_after), upper_halves(odd_there, odd_last));
        total_here = __usada8((uint8x4_t)one, 0, __usada8((uint8x4_t)next, 0, total_here));
        total_there = __usada8((uint8x4_t)two, 0, __usada8((uint8x4_t)other, 0, total_there));
    }
    totals[0] = total_here;
    totals[1] = total_there;
    return to;
#endif
}

#if WINDOW
static uint8_t windows[2][WINDOW + GROUP]; /* the same in bytes, where they do not lie in one run */

/* Keeps the compiler from calling a library for a loop. */
#define KEEP_COUNT(number) __asm__("" : "+r"(number))

INLINE static void copy4(uint8_t *to, const uint8_t *from) { __builtin_memcpy(to, from, 4); }

INLINE static void clear_group(uint8_t *to)
{
    static const uint8_t zeros[4] = { 0 };
    for (int at = 0; at < GROUP; at += 4) {
        copy4(to + at, zeros);
    }
}

/* Copies so many bytes and, unless they are fewer than four, none beyond. */
INLINE static void copy_run(uint8_t *to, const uint8_t *from, int count)
{
    int left = count;
    for (; left >= 8; left -= 8, to += 8, from += 8) {
        copy4(to, from);
        copy4(to + 4, from + 4);
    }
    if (left >= 4) {
        copy4(to, from);
        left -= 4, to += 4, from += 4;
    }
    if (left && count >= 4) {
        copy4(to + left - 4, from + left - 4);
        return;
    }
    for (; left; left--) {
        *to++ = *from++;
        KEEP_COUNT(left);
    }
}

/* Copies the pixels from column `first` on, row after row, with what lies outside. */
NOINLINE static void copy_window(const work *now, int first, uint8_t *to)
{
    const layer *const it = now->it;
    const int channels = now->in->channels, span = it->kernel_columns * channels;
    const int inside = DILATION_X(it) == 1 && first >= 0 && first + it->kernel_columns <= now->in->width;
    for (int y = BEGIN(now); y < END(now); y++) {
        const uint8_t *const row = ROW(now, y);
        int column = first;
        if (row && inside) {
            copy_run(to, row + column * channels, span);
            to += span;
            continue;
        }
        for (int part = it->kernel_columns; part; part--, column += DILATION_X(it)) {
            if (row && column >= 0 && column < now->in->width) {
                copy_run(to, row + column * channels, channels);
                to += channels;
            } else {
                for (int left = channels; left; left--) {
                    *to++ = it->zero_point;
                    KEEP_COUNT(left);
                }
            }
        }
    }
}
#endif

#if WEIGHT_BITS == 8 && WINDOW
/* Fills `pairs` straight from the picture's rows: the bytes that a row leaves over make up a group with the next one's. */
INLINE static void widen_rows(const work *now, int begin, int apart, int span)
{
    uint32_t *to = pairs;
    uint32_t here_held = 0, there_held = 0;
    int held = 0;
    for (int y = BEGIN(now); y < END(now); y++) {
        const uint8_t *here = ROW(now, y) + begin, *const stop = here + span - 3;
        if (held) {
            to = widen_word(to, here_held | load4(here) << 8 * held, there_held | load4(here + apart) << 8 * held);
            here += 4 - held;
        }
        for (; here < stop; here += 4) {
            to = widen_word(to, load4(here), load4(here + apart));
        }
        held = (int)(stop - here) + 3;
        if (held) {
            here_held = load4(stop - 1) >> 8 * (4 - held);
            there_held = load4(stop - 1 + apart) >> 8 * (4 - held);
        }
    }
    if (held) {
        widen_word(to, here_held, there_held);
    }
}
#endif

/* Fills `pairs` for the windows that begin at these columns. */
NOINLINE static void widen_windows(const work *now, int first, int second, int whole, uint32_t totals[2])
{
    const int channels = now->in->channels, span = now->it->kernel_columns * channels, rows = END(now) - BEGIN(now);
    const int last = now->in->width - now->it->kernel_columns;
    totals[0] = totals[1] = 0;
    if (whole && first >= 0 && second <= last) {
        const int begin = first * channels, apart = second * channels - begin;
        if (rows == 1 || span % GROUP == 0) {
            uint32_t *to = pairs;
            for (int y = BEGIN(now); y < END(now); y++) {
                to = widen(to, ROW(now, y) + begin, ROW(now, y) + begin + apart, span, totals);
            }
            return;
        }
#if WEIGHT_BITS == 8 && WINDOW
        /* where words that begin or end with a run of three bytes lie within the row */
        if (span > 3 || (span == 3 && begin > 0 && second < last)) {
            widen_rows(now, begin, apart, span);
            return;
        }
#endif
    }
#if WINDOW
    {
        const int count = rows * span, up = (count + GROUP - 1) / GROUP * GROUP;
        const uint8_t *there = windows[0];
        copy_window(now, first, windows[0]);
        clear_group(windows[0] + count);
        if (second != first) {
            there = windows[1];
            copy_window(now, second, windows[1]);
            clear_group(windows[1] + count);
        }
        widen(pairs, windows[0], there, up, totals);
    }
#endif
}
