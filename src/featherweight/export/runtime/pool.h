/* Pools: the largest number of a window, or its average. */

#if FAST && AVERAGES
/* The average of each channel in so many windows that lie within the picture, from one on. */
NOINLINE static void average_inside(const work *now, int x, int count)
{
    const layer *const it = now->it;
    const int channels = now->in->channels, wide = it->kernel_columns;
    int at = x * channels, first = (x * it->stride_x - it->pad_left) * channels;
    for (; count; count--, first += it->stride_x * channels) {
        for (int channel = 0; channel < channels; channel++, at++) {
            int32_t sum = SUM_SO_FAR(now, at, BIAS(it, biases[it->scaling]));
            for (int y = BEGIN(now); y < END(now); y++) {
                const uint8_t *from = ROW(now, y) + first + channel;
                int left = wide;
                do {
                    sum += *from;
                    from += channels;
                } while (--left);
            }
            store(now, at, sum, multipliers[it->scaling]);
        }
    }
}
#endif

#if FAST && MAXIMUMS
#if DSP
/* The largest of what is there and the numbers of four channels in a row of so many windows within the picture. */
INLINE static void max_of_four(const work *now, const uint8_t *from, uint8_t *to, int count, int goes_on)
{
    const int channels = now->in->channels, step = (now->it->stride_x - now->it->kernel_columns) * channels;
    const int wide = now->it->kernel_columns;
    for (; count; count--, from += step, to += channels) {
        uint32_t found = goes_on ? load4(to) : 0;
        int left = wide;
        do {
            const uint32_t four = load4(from);
            (void)__usub8((uint8x4_t)found, (uint8x4_t)four); /* which are at least as large */
            found = (uint32_t)__sel((uint8x4_t)found, (uint8x4_t)four);
            from += channels;
        } while (--left);
        __builtin_memcpy(to, &found, 4);
    }
}
#endif

/* The same of one. */
INLINE_IF_FAST static void max_of_one(const work *now, const uint8_t *from, uint8_t *to, int count, int goes_on)
{
    const int channels = now->in->channels, step = (now->it->stride_x - now->it->kernel_columns) * channels;
    const int wide = now->it->kernel_columns;
    for (; count; count--, from += step, to += channels) {
        uint32_t found = goes_on ? *to : 0;
        int left = wide;
        do {
            const uint32_t one = *from;
            found = one > found ? one : found;
            from += channels;
        } while (--left);
        *to = (uint8_t)found;
    }
}

/* The largest number of each channel in so many windows that lie within the picture, from one on. */
NOINLINE static void max_inside(const work *now, int x, int count)
{
    const int channels = now->in->channels, first = (x * now->it->stride_x - now->it->pad_left) * channels;
    uint8_t *const to = now->to + x * channels;
    for (int y = BEGIN(now); y < END(now); y++) {
        const uint8_t *const from = ROW(now, y) + first;
        int channel = 0;
#if DSP
        for (; channel + 4 <= channels; channel += 4) {
            max_of_four(now, from + channel, to + channel, count, y);
        }
#endif
        for (; channel < channels; channel++) {
            max_of_one(now, from + channel, to + channel, count, y);
        }
    }
}
#endif

#if FAST
/* Sees to the windows that lie within the picture; gives the first one's number, and the number behind the last one's. */
static int pool_inside(const work *now, int largest, int *end)
{
    const layer *const it = now->it;
    int first = -it->pad_left, begin = 0, stop;
    *end = 0;
    if (!rows_are_whole(now)) {
        return 0;
    }
    for (; first < 0; first += it->stride_x) {
        begin++;
    }
    for (stop = begin; stop < now->width && first + it->kernel_columns <= now->in->width; first += it->stride_x) {
        stop++;
    }
#if MAXIMUMS
    if (largest && stop > begin) {
        max_inside(now, begin, stop - begin);
    }
#endif
#if AVERAGES
    if (!largest && stop > begin) {
        average_inside(now, begin, stop - begin);
    }
#endif
    *end = stop;
    return begin;
}
#endif

NOINLINE static void pool(const work *now)
{
    const layer *const it = now->it;
    const tensor *const in = now->in;
    const int largest = MAXIMUMS && (!AVERAGES || KIND(it) == MAXIMUM);
#if FAST
    int end;
    const int begin = pool_inside(now, largest, &end);
#endif
    int at = 0;
    for (int x = 0; x < now->width; x++) {
#if FAST
        if (x >= begin && x < end) {
            at += in->channels;
            continue;
        }
#endif
        for (int channel = 0; channel < in->channels; channel++, at++) {
            int32_t found =
                largest ? (CONTINUES(now) ? now->to[at] : 0) : SUM_SO_FAR(now, at, BIAS(it, biases[it->scaling]));
            for (int y = BEGIN(now); y < END(now); y++) {
                const uint8_t *row = ROW(now, y);
                for (int part = 0; part < it->kernel_columns; part++) {
                    const int column = x * it->stride_x - it->pad_left + part;
                    const int inside = row && column >= 0 && column < in->width;
                    const int outside = AVERAGES ? it->zero_point : 0; /* no maximum is below 0 */
                    const int value = inside ? row[column * in->channels + channel] : outside;
                    found = !largest ? found + value : value > found ? value : found;
                }
            }
            if (largest) {
                now->to[at] = (uint8_t)found;
            } else {
                store(now, at, found, multipliers[it->scaling]);
            }
        }
    }
}
