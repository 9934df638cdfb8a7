/* Pools: the largest number of a window, or its average. */

#if FAST && MAXIMUMS
/* The largest number of each channel in a window that lies within the picture. */
NOINLINE static void max_inside(const work *now, int x)
{
    const layer *const it = now->it;
    const int channels = now->in->channels, first = (x * it->stride_x - it->pad_left) * channels;
    uint8_t *const to = now->to + x * channels;
#if DSP
    for (int channel = 0; channels >= 4 && channel < channels; channel += 4) {
        uint32_t found = 0;
        if (channel > channels - 4) {
            channel = channels - 4; /* some once more */
        }
        if (CONTINUES(now)) {
            found = load4(to + channel);
        }
        for (int y = BEGIN(now); y < END(now); y++) {
            const uint8_t *from = ROW(now, y) + first + channel;
            for (int part = it->kernel_columns; part; part--, from += channels) {
                const uint8x4_t four = (uint8x4_t)load4(from);
                (void)__usub8((uint8x4_t)found, four); /* which are at least as large */
                found = (uint32_t)__sel((uint8x4_t)found, four);
            }
        }
        __builtin_memcpy(to + channel, &found, 4);
    }
    if (channels >= 4) {
        return;
    }
#endif
    for (int y = BEGIN(now); y < END(now); y++) {
        const uint8_t *from = ROW(now, y) + first;
        for (int part = 0; part < it->kernel_columns; part++, from += channels) {
            const int begins = y + part == 0;
            for (int channel = 0; channel < channels; channel++) {
                if (begins || from[channel] > to[channel]) {
                    to[channel] = from[channel];
                }
            }
        }
    }
}
#endif

NOINLINE static void pool(const work *now)
{
    const layer *const it = now->it;
    const tensor *const in = now->in;
    const int largest = MAXIMUMS && (!AVERAGES || KIND(it) == MAXIMUM);
#if FAST && MAXIMUMS
    const int whole = largest && rows_are_whole(now);
#endif
    int at = 0;
    for (int x = 0; x < now->width; x++) {
#if FAST && MAXIMUMS
        const int first = x * it->stride_x - it->pad_left;
        if (whole && first >= 0 && first + it->kernel_columns <= in->width) {
            max_inside(now, x);
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
