/* Convolutions for processors without the DSP extension, two outputs at a time. */

#if WINDOW
static uint8_t window[WINDOW + 3];
#endif

/* The pixels under a kernel in one run, where they lie or copied. */
static const uint8_t *window_at(const work *now, int first, int whole)
{
    const int inside = whole && first >= 0 && first + now->it->kernel_columns <= now->in->width;
#if WINDOW
    if (!inside) {
        return copy_window(now, first, window);
    }
    if (END(now) - BEGIN(now) > 1) {
        return copy_inner(now, first, window);
    }
#endif
    (void)inside;
    return now->rows[0] + first * now->in->channels;
}

/* The next pixel times a weight of either output; all three are counted by one number, which ends at 0. */
#define ADD_TWO(one, two, pixels, left, first, second) \
    {                                                  \
        const int32_t each = (pixels)[left];           \
        (first) += (one)[left] * each;                 \
        (second) += (two)[left] * each;                \
        (left)++;                                      \
        KEEP_COUNT(left);                              \
    }

/* A convolution in which each output takes all channels, two outputs at a time. */
NOINLINE static void convolve_whole(const work *now)
{
    const layer *const it = now->it;
    const int span = it->kernel_columns * it->inputs, run = (END(now) - BEGIN(now)) * span;
    const int size = it->kernel_rows * span;
    const int before = it->shift_before, after = it->shift_after, plain = is_plain(now), whole = rows_are_whole(now);
    int at = 0, first = -it->pad_left;
    for (int x = 0; x < now->width; x++, first += it->stride_x) {
        const uint8_t *const pixels = window_at(now, first, whole) + run; /* their end, from which they are counted */
        const int8_t *weight = weights + it->weights + BEGIN(now) * span + run;
        const bias_type *bias = biases + it->scaling;
        const uint16_t *multiplier = multipliers + it->scaling;
        for (int output = it->outputs; output > 0; output -= 2) {
            const int both = output > 1; /* otherwise the last one is worked out twice */
            const int8_t *const one = weight, *const two = weight + (both ? size : 0);
            int32_t a = SUM_SO_FAR(now, at, bias[0]), b = SUM_SO_FAR(now, at + both, bias[both]);
            int left = -run;
            while (left & 3) {
                ADD_TWO(one, two, pixels, left, a, b)
            }
            while (left) {
                ADD_TWO(one, two, pixels, left, a, b)
                ADD_TWO(one, two, pixels, left, a, b)
                ADD_TWO(one, two, pixels, left, a, b)
                ADD_TWO(one, two, pixels, left, a, b)
            }
            if (plain) {
                now->to[at++] = requantized(a, multiplier[0], before, after);
                if (both) {
                    now->to[at++] = requantized(b, multiplier[1], before, after);
                }
            } else {
                store_rare(now, at++, a, multiplier[0]);
                if (both) {
                    store_rare(now, at++, b, multiplier[1]);
                }
            }
            weight += 2 * size;
            bias += 2;
            multiplier += 2;
        }
    }
}

/* A convolution in which each channel has a kernel of its own. */
NOINLINE static void convolve_each(const work *now)
{
    const layer *const it = now->it;
    const int channels = now->in->channels, run = (END(now) - BEGIN(now)) * it->kernel_columns;
    const int size = it->kernel_rows * it->kernel_columns, whole = rows_are_whole(now);
    const int before = it->shift_before, after = it->shift_after, plain = is_plain(now);
    int at = 0;
    for (int x = 0; x < now->width; x++) {
        const uint8_t *const pixels = window_at(now, x * it->stride_x - it->pad_left, whole);
        const int8_t *kernel = weights + it->weights + BEGIN(now) * it->kernel_columns + run;
        for (int channel = 0; channel < channels; channel++, at++, kernel += size) {
            const uint8_t *pixel = pixels + channel;
            int32_t sum = SUM_SO_FAR(now, at, biases[it->scaling + channel]);
            int left = -run;
            do {
                sum += kernel[left] * *pixel;
                pixel += channels;
                left++;
                KEEP_COUNT(left);
            } while (left);
            if (plain) {
                now->to[at] = requantized(sum, multipliers[it->scaling + channel], before, after);
            } else {
                store_rare(now, at, sum, multipliers[it->scaling + channel]);
            }
        }
    }
}

/* Carries out a convolution of one of these kinds, and says whether it is one. */
static int convolve_fast(const work *now)
{
    if (now->it->groups == 1) {
        convolve_whole(now);
        return 1;
    }
    if (now->it->inputs == 1 && now->it->outputs == 1) {
        convolve_each(now);
        return 1;
    }
    return 0;
}
