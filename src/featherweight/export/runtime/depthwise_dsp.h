/* Convolutions in which each output takes a single channel, four outputs at a time: those in which each channel has a kernel of
 * its own, and those of pictures in grey.
 *
 * Pixels are laid out column after column, two rows at a time, one above the other in a word: of four channels, or of the
 * only one. Zeros fill up the last pair of rows' weights, which are laid out alike. An output is the sum over one run of
 * such words times weights; the next output's run begins `stride` columns later. Columns outside the picture are laid out
 * as well, so that no window differs from others. */

static uint32_t columns[COLUMNS], kernels[KERNELS];

/* Lays out two rows of so many columns, which are so many bytes apart, with a gap for the other rows' words. */
INLINE static uint32_t *lay_out(uint32_t *to, const uint8_t *upper, const uint8_t *lower, int above, int below,
                                int count, int gap, int channels)
{
    for (; count > 0; count--, upper += above, lower += below, to += gap) {
        if (channels == 1) {
            *to++ = *upper | (uint32_t)*lower << 16;
        } else {
            const uint32_t one = load4(upper), two = load4(lower);
            const uint32_t even = even_bytes(one), odd = odd_bytes(one), even_below = even_bytes(two);
            const uint32_t odd_below = odd_bytes(two);
            to = store_two(to, lower_halves(even, even_below), lower_halves(odd, odd_below));
            to = store_two(to, upper_halves(even, even_below), upper_halves(odd, odd_below));
        }
    }
    return to;
}

/* Lays out all columns under the windows of a row of outputs, for four channels or the only one. */
INLINE static void lay_out_columns(const work *now, int channel, int channels)
{
    const layer *const it = now->it;
    const int apart = now->in->channels, width = now->in->width, gap = (it->kernel_rows - 1) / 2 * channels;
    const int wanted = (now->width - 1) * it->stride_x + (it->kernel_columns - 1) * DILATION_X(it) + 1;
    const int left = it->pad_left < wanted ? it->pad_left : wanted;
    const int inside = wanted - left < width ? wanted - left : width;
    const uint32_t outside = it->zero_point * 0x01010101U;
    const uint8_t *const edge = (const uint8_t *)&outside;
    for (int y = 0; y < it->kernel_rows; y += 2) {
        const uint8_t *const upper = now->rows[y], *const lower = y + 1 < it->kernel_rows ? now->rows[y + 1] : 0;
        uint32_t *to = columns + y / 2 * channels;
        to = lay_out(to, edge, edge, 0, 0, left, gap, channels);
        to = lay_out(to, upper ? upper + channel : edge, lower ? lower + channel : edge, upper ? apart : 0,
                     lower ? apart : 0, inside, gap, channels);
        lay_out(to, edge, edge, 0, 0, wanted - left - inside, gap, channels);
    }
}

/* A weight, and the one so many numbers behind it, which is that of the row below. */
INLINE static uint32_t kernel_pair(int number, int below)
{
    return lower_halves((uint32_t)weight_at(number), below ? (uint32_t)weight_at(number + below) : 0);
}

/* Lays out the kernels of four outputs alike; gives their end, up to which there is an even number of pairs. */
NOINLINE static const uint32_t *lay_out_kernels(const layer *it, int output)
{
    const int wide = it->kernel_columns, size = weights_apart(it);
    const int begin = (int)it->weights + output * size;
    uint32_t *to = kernels;
    for (int column = 0; column < wide; column++) {
        int number = begin + column;
        for (int left = it->kernel_rows; left > 0; left -= 2, number += 2 * wide) {
            const int third = number + 2 * size;
            if (left > 1) {
                to = store_two(to, kernel_pair(number, wide), kernel_pair(number + size, wide));
                to = store_two(to, kernel_pair(third, wide), kernel_pair(third + size, wide));
            } else {
                to = store_two(to, kernel_pair(number, 0), kernel_pair(number + size, 0));
                to = store_two(to, kernel_pair(third, 0), kernel_pair(third + size, 0));
            }
        }
#if DILATED
        for (int gap = column + 1 < wide ? (DILATION_X(it) - 1) * ((it->kernel_rows + 1) / 2) : 0; gap; gap--) {
            to = store_two(store_two(to, 0, 0), 0, 0);
        }
#endif
    }
    if ((to - kernels) & 4) {
        to = store_two(store_two(to, 0, 0), 0, 0);
    }
    return to;
}

/* A pair of rows of four channels, or of the only one, times the weights of four outputs. */
#define ADD_PAIR(pixel, weight, a, b, c, d, channels) \
    {                                                 \
        uint32_t even, odd, w1, w2;                   \
        if ((channels) == 1) {                        \
            even = odd = *(pixel)++;                  \
        } else {                                      \
            (pixel) = load_two(pixel, &even, &odd);   \
        }                                             \
        (weight) = load_two(weight, &w1, &w2);        \
        (a) = add_products(even, w1, a);              \
        (b) = add_products(odd, w2, b);               \
        if ((channels) > 1) {                         \
            (pixel) = load_two(pixel, &even, &odd);   \
        }                                             \
        (weight) = load_two(weight, &w1, &w2);        \
        (c) = add_products(even, w1, c);              \
        (d) = add_products(odd, w2, d);               \
    }

/* Four outputs of a row, from columns that are laid out. */
INLINE static void convolve_four(const work *now, int output, int channels)
{
    const layer *const it = now->it;
    const int apart = it->groups * it->outputs, before = it->shift_before, shift = 32 - it->shift_after;
    const int step = it->stride_x * ((it->kernel_rows + 1) / 2) * channels;
    const uint16_t *const multiplier = multipliers + it->scaling + output;
    const bias_type *const bias = biases + it->scaling + output;
    const int32_t starts[4] = { BIAS(it, bias[0]), BIAS(it, bias[1]), BIAS(it, bias[2]), BIAS(it, bias[3]) };
    const int32_t scales[4] = { multiplier[0] << shift, multiplier[1] << shift, multiplier[2] << shift,
                                multiplier[3] << shift };
    const uint32_t *from = columns, *const stop = lay_out_kernels(it, output);
    uint8_t *to = now->to + output;
    for (int left = now->width; left; left--, to += apart, from += step) {
        const uint32_t *pixel = from, *weight = kernels;
        int32_t a = starts[0], b = starts[1], c = starts[2], d = starts[3];
        do {
            ADD_PAIR(pixel, weight, a, b, c, d, channels)
            ADD_PAIR(pixel, weight, a, b, c, d, channels)
        } while (weight != stop);
        to[0] = scaled(a, before, scales[0]);
        to[1] = scaled(b, before, scales[1]);
        to[2] = scaled(c, before, scales[2]);
        to[3] = scaled(d, before, scales[3]);
    }
}

#if DEPTHWISE
/* Each channel has a kernel of its own. */
NOINLINE static void convolve_each(const work *now)
{
    const int last = now->in->channels - 4; /* so that some may come a second time */
    for (int channel = 0; channel < last + 4; channel += 4) {
        const int first = channel < last ? channel : last;
        lay_out_columns(now, first, 4);
        convolve_four(now, first, 4);
    }
}
#endif

#if GREY
/* There is one channel. */
NOINLINE static void convolve_grey(const work *now)
{
    const int last = now->it->outputs - 4;
    lay_out_columns(now, 0, 1);
    for (int output = 0; output < last + 4; output += 4) {
        convolve_four(now, output < last ? output : last, 1);
    }
}
#endif
