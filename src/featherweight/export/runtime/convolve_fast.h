/* Convolutions for processors without the DSP extension, of one kernel's pixels in a row. */

/* A copy of the pixels under a kernel, row after row, with what lies outside. */
static uint8_t window[WINDOW];

/* The pixels under a kernel at the place x: a single row where it is, several in the copy. */
NOINLINE static const uint8_t *window_at(const work *now, int x)
{
    const layer *const it = now->it;
    const int channels = now->in->channels, span = it->kernel_columns * channels;
    const int first = x * it->stride_x - it->pad_left;
    const int inside = DILATION_X(it) == 1 && first >= 0 && first + it->kernel_columns <= now->in->width;
    uint8_t *to = window;
    if (inside && END(now) - BEGIN(now) == 1 && now->rows[0]) {
        return now->rows[0] + first * channels;
    }
    for (int y = BEGIN(now); y < END(now); y++) {
        const uint8_t *row = ROW(now, y);
        if (inside && row) {
            const uint8_t *from = row + first * channels;
            int left = span;
            for (; left >= 4; left -= 4, from += 4, to += 4) {
                to[0] = from[0];
                to[1] = from[1];
                to[2] = from[2];
                to[3] = from[3];
            }
            for (; left; left--) {
                *to++ = *from++;
            }
            continue;
        }
        for (int part = 0; part < it->kernel_columns; part++) {
            const int column = first + part * DILATION_X(it);
            const int outside = !row || column < 0 || column >= now->in->width;
            const uint8_t *from = outside ? &it->zero_point : row + column * channels;
            for (int left = channels; left; left--, from += !outside) {
                *to++ = *from;
            }
        }
    }
    return window;
}

/* Keeps the compiler from counting by three pointers where one number serves. */
#define KEEP_COUNT(left) __asm__("" : "+r"(left))

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
    const int before = it->shift_before, after = it->shift_after, plain = is_plain(now);
    int at = 0;
    for (int x = 0; x < now->width; x++) {
        const uint8_t *const pixels = window_at(now, x) + run; /* their end, from which they are counted */
        const int8_t *weight = weights + it->weights + BEGIN(now) * span + run;
        const bias_type *bias = biases + it->scaling;
        const uint16_t *multiplier = multipliers + it->scaling;
        for (int output = it->outputs; output > 0; output -= 2) {
            const int both = output > 1; /* otherwise the last one is worked out twice */
            const int8_t *const one = weight, *const two = weight + (both ? size : 0);
            int32_t first = SUM_SO_FAR(now, at, bias[0]), second = SUM_SO_FAR(now, at + both, bias[both]);
            int left = -run;
            while (left & 3) {
                ADD_TWO(one, two, pixels, left, first, second)
            }
            while (left) {
                ADD_TWO(one, two, pixels, left, first, second)
                ADD_TWO(one, two, pixels, left, first, second)
                ADD_TWO(one, two, pixels, left, first, second)
                ADD_TWO(one, two, pixels, left, first, second)
            }
            if (plain) {
                now->to[at++] = requantized(first, multiplier[0], before, after);
                if (both) {
                    now->to[at++] = requantized(second, multiplier[1], before, after);
                }
            } else {
                store_rare(now, at++, first, multiplier[0]);
                if (both) {
                    store_rare(now, at++, second, multiplier[1]);
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
    const int size = it->kernel_rows * it->kernel_columns;
    const int before = it->shift_before, after = it->shift_after, plain = is_plain(now);
    int at = 0;
    for (int x = 0; x < now->width; x++) {
        const uint8_t *const pixels = window_at(now, x);
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
