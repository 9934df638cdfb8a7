/* Convolutions for processors with the DSP extension, which multiplies and adds two pairs of 16 bits at a time. */

/* The pixels under a kernel at two places, in numbers of 16 bits: of every four, the even ones here and there, then the
 * odd ones. Each row of the kernel begins with a new four, and the last one of it ends with zeros. */
static uint32_t pairs[PAIRS];

/* Up to three bytes, and zeros. */
INLINE_IF_FAST static uint32_t rest_of(const uint8_t *from, int count)
{
    uint32_t found = from[0];
    if (count > 1) {
        found |= (uint32_t)from[1] << 8;
    }
    if (count > 2) {
        found |= (uint32_t)from[2] << 16;
    }
    return found;
}

/* Four pixels of both places, as numbers of 16 bits. */
INLINE_IF_FAST static void widen_four(uint32_t *to, uint32_t here, uint32_t there)
{
    to[0] = even_bytes(here);
    to[1] = even_bytes(there);
    to[2] = odd_bytes(here);
    to[3] = odd_bytes(there);
}

/* A row of both places. */
INLINE_IF_FAST static uint32_t *widen_row(uint32_t *to, const uint8_t *here, const uint8_t *there, int span)
{
    for (; span >= 4; span -= 4, to += 4, here += 4, there += 4) {
        widen_four(to, load4(here), load4(there));
    }
    if (span) {
        widen_four(to, rest_of(here, span), rest_of(there, span));
        to += 4;
    }
    return to;
}

#if EDGE
/* The pixels under a row of a kernel, with what lies outside, at two places. */
static uint8_t edges[2][EDGE];

/* The pixels under a row of a kernel that lies partly outside or has gaps, copied. */
NOINLINE static const uint8_t *edge_at(const work *now, const uint8_t *row, int first, uint8_t *to)
{
    const int channels = now->in->channels;
    const uint8_t *const copy = to;
    for (int part = now->it->kernel_columns; part; part--, first += DILATION_X(now->it)) {
        const int outside = !row || first < 0 || first >= now->in->width;
        const uint8_t *from = outside ? &now->it->zero_point : row + first * channels;
        const uint32_t filling = *from * (uint32_t)0x01010101;
        int left = channels;
        for (; left >= 4; left -= 4, to += 4) {
            __builtin_memcpy(to, outside ? (const void *)&filling : from, 4);
            from += outside ? 0 : 4;
        }
        for (; left; left--, from += !outside) {
            *to++ = *from;
        }
    }
    return copy;
}
#endif

/* Fills `pairs` for the places x and other. */
NOINLINE static void widen(const work *now, int x, int other)
{
    const layer *const it = now->it;
    const int channels = now->in->channels, columns = it->kernel_columns;
    const int first = x * it->stride_x - it->pad_left, second = other * it->stride_x - it->pad_left;
#if EDGE
    const int width = now->in->width;
    const int inside = DILATION_X(it) == 1 && first >= 0 && first + columns <= width;
    const int both = DILATION_X(it) == 1 && second >= 0 && second + columns <= width;
#endif
    uint32_t *to = pairs;
    for (int y = BEGIN(now); y < END(now); y++) {
        const uint8_t *const row = ROW(now, y);
#if EDGE
        const uint8_t *const here = inside && row ? row + first * channels : edge_at(now, row, first, edges[0]);
        const uint8_t *const there = second == first || !row ? here
                                     : both                  ? row + second * channels
                                                             : edge_at(now, row, second, edges[1]);
#else
        const uint8_t *const here = row + first * channels, *const there = row + second * channels;
#endif
        to = widen_row(to, here, there, columns * channels);
    }
}

/* Four weights of an output times the pixels at two places. */
INLINE_IF_FAST static void add_1x2(const int8_t *weight, const uint32_t *pair, int32_t *a, int32_t *b)
{
    const uint32_t four = load4(weight), even = even_weights(four), odd = odd_weights(four);
    *a = add_products(even, pair[0], *a);
    *b = add_products(even, pair[1], *b);
    *a = add_products(odd, pair[2], *a);
    *b = add_products(odd, pair[3], *b);
}

/* The same, with one for all four sums: of two outputs at two places. */
#if defined(__thumb2__) && defined(__ARM_FEATURE_UNALIGNED)
/* Compilers run out of registers, so the order is laid down: one of 18 instructions, with those of the loop, for 16
 * products. */
#define ADD_2X2(one, two, pair, a, b, c, d)                                                                           \
    {                                                                                                                 \
        uint32_t four, other, here, there, wide;                                                                      \
        __asm__(                                                                                                      \
            "ldr %[four], [%[w1]], #4\n\t"                                                                            \
            "ldr %[other], [%[w2]], #4\n\t"                                                                           \
            "ldrd %[here], %[there], [%[p]], #8\n\t"                                                                  \
            "sxtb16 %[wide], %[four]\n\t"                                                                             \
            "smlad %[s1], %[wide], %[here], %[s1]\n\t"                                                                \
            "smlad %[s2], %[wide], %[there], %[s2]\n\t"                                                               \
            "sxtb16 %[wide], %[other]\n\t"                                                                            \
            "smlad %[s3], %[wide], %[here], %[s3]\n\t"                                                                \
            "smlad %[s4], %[wide], %[there], %[s4]\n\t"                                                               \
            "ldrd %[here], %[there], [%[p]], #8\n\t"                                                                  \
            "sxtb16 %[four], %[four], ror #8\n\t"                                                                     \
            "smlad %[s1], %[four], %[here], %[s1]\n\t"                                                                \
            "smlad %[s2], %[four], %[there], %[s2]\n\t"                                                               \
            "sxtb16 %[other], %[other], ror #8\n\t"                                                                   \
            "smlad %[s3], %[other], %[here], %[s3]\n\t"                                                               \
            "smlad %[s4], %[other], %[there], %[s4]"                                                                  \
            : [w1] "+r"(one), [w2] "+r"(two), [p] "+r"(pair), [s1] "+r"(a), [s2] "+r"(b), [s3] "+r"(c), [s4] "+r"(d), \
              [four] "=&r"(four), [other] "=&r"(other), [here] "=&r"(here), [there] "=&r"(there), [wide] "=&r"(wide)  \
            :                                                                                                         \
            : "memory");                                                                                              \
    }
#else
#define ADD_2X2(one, two, pair, a, b, c, d) \
    {                                       \
        add_1x2(one, pair, &(a), &(b));     \
        add_1x2(two, pair, &(c), &(d));     \
        (one) += 4;                         \
        (two) += 4;                         \
        (pair) += 4;                        \
    }
#endif

/* Four weights of two outputs times the pixels at the first place. */
INLINE_IF_FAST static void add_2x1(const int8_t *one, const int8_t *two, const uint32_t *pair, int32_t *a, int32_t *c)
{
    const uint32_t four = load4(one), other = load4(two);
    *a = add_products(even_weights(four), pair[0], *a);
    *c = add_products(even_weights(other), pair[0], *c);
    *a = add_products(odd_weights(four), pair[2], *a);
    *c = add_products(odd_weights(other), pair[2], *c);
}

/* A convolution in which each output takes all channels, two outputs at two places at a time. */
NOINLINE static void convolve_whole(const work *now)
{
    const layer *const it = now->it;
    const int outputs = it->outputs, before = it->shift_before, after = it->shift_after, plain = is_plain(now);
    const int span = it->kernel_columns * it->inputs, size = it->kernel_rows * span;
    /* Where nothing has to be filled up, all rows are like a single one. */
    const int rows = span % 4 ? END(now) - BEGIN(now) : 1;
    const int run = span % 4 ? (span + 3) / 4 * 4 : (END(now) - BEGIN(now)) * span, back = run - span;
    for (int x = 0; x < now->width; x += 2) {
        const int more = x + 1 < now->width; /* otherwise there is only one place left */
        const int apart = more ? outputs : 0;
        const int8_t *weight = weights + it->weights + BEGIN(now) * span;
        const bias_type *bias = biases + it->scaling;
        const uint16_t *multiplier = multipliers + it->scaling;
        int at = x * outputs;
        widen(now, x, x + more);
        for (int left = outputs; left > 0; left -= 2) {
            const int both = left > 1; /* otherwise there is only one output left */
            const int8_t *one = weight, *two = both ? weight + size : weight;
            const uint32_t *pair = pairs;
            int32_t a = SUM_SO_FAR(now, at, bias[0]), b = SUM_SO_FAR(now, at + apart, bias[0]);
            int32_t c = SUM_SO_FAR(now, at + both, bias[both]), d = SUM_SO_FAR(now, at + apart + both, bias[both]);
            int y = rows;
            if (both && more) {
                do {
                    const int8_t *const stop = one + run;
                    do {
                        ADD_2X2(one, two, pair, a, b, c, d)
                    } while (one != stop);
                    one -= back;
                    two -= back;
                } while (--y);
                if (plain) {
                    uint8_t *const to = now->to + at;
                    uint32_t scale = multiplier[0];
                    to[0] = requantized(a, scale, before, after);
                    to[outputs] = requantized(b, scale, before, after);
                    scale = multiplier[1];
                    to[1] = requantized(c, scale, before, after);
                    to[outputs + 1] = requantized(d, scale, before, after);
                    goto next;
                }
            } else if (both) {
                do {
                    const int8_t *const stop = one + run;
                    for (; one != stop; one += 4, two += 4, pair += 4) {
                        add_2x1(one, two, pair, &a, &c);
                    }
                    one -= back;
                    two -= back;
                } while (--y);
            } else {
                do {
                    const int8_t *const stop = one + run;
                    for (; one != stop; one += 4, pair += 4) {
                        add_1x2(one, pair, &a, &b);
                    }
                    one -= back;
                } while (--y);
            }
            store_rare(now, at, a, multiplier[0]);
            if (both) {
                store_rare(now, at + 1, c, multiplier[1]);
            }
            if (more) {
                store_rare(now, at + apart, b, multiplier[0]);
                if (both) {
                    store_rare(now, at + apart + 1, d, multiplier[1]);
                }
            }
        next:
            weight += 2 * size;
            bias += 2;
            multiplier += 2;
            at += 2;
        }
    }
}

/* Four channels of a convolution in which each channel has a kernel of its own. */
NOINLINE static void convolve_four(const work *now, int channel)
{
    const layer *const it = now->it;
    const int channels = now->in->channels, size = it->kernel_rows * it->kernel_columns, plain = is_plain(now);
    const uint8_t outside[4] = { it->zero_point, it->zero_point, it->zero_point, it->zero_point };
    const uint16_t *const multiplier = multipliers + it->scaling + channel;
    const bias_type *const bias = biases + it->scaling + channel;
    const int8_t *weight = weights + it->weights + channel * size;
    uint32_t *to = pairs;
    int at = channel;
    for (int part = size; part; part--, weight++) {
        *to++ = (uint16_t)weight[0] | (uint32_t)weight[2 * size] << 16;
        *to++ = (uint16_t)weight[size] | (uint32_t)weight[3 * size] << 16;
    }
    for (int x = 0; x < now->width; x++, at += channels) {
        const int first = x * it->stride_x - it->pad_left;
        const int inside = DILATION_X(it) == 1 && first >= 0 && first + it->kernel_columns <= now->in->width;
        const uint32_t *pair = pairs;
        int32_t a = bias[0], b = bias[1], c = bias[2], d = bias[3];
        for (int y = 0; y < it->kernel_rows; y++) {
            const uint8_t *const row = now->rows[y];
            const int there = inside && row;
            const uint8_t *from = there ? row + first * channels + channel : outside;
            const int apart = there ? channels : 0;
            for (int part = 0; part < it->kernel_columns; part++, from += apart, pair += 2) {
                if (!inside) {
                    const int column = first + part * DILATION_X(it);
                    from = !row || column < 0 || column >= now->in->width ? outside : row + column * channels + channel;
                }
                const uint32_t four = load4(from), even = even_bytes(four), odd = odd_bytes(four);
                a += (int16_t)pair[0] * (int16_t)even;
                b += (int16_t)pair[1] * (int16_t)odd;
                c += ((int32_t)pair[0] >> 16) * ((int32_t)even >> 16);
                d += ((int32_t)pair[1] >> 16) * ((int32_t)odd >> 16);
            }
        }
        if (plain) {
            const int before = it->shift_before, after = it->shift_after;
            uint32_t four = requantized(a, multiplier[0], before, after);
            four |= (uint32_t)requantized(b, multiplier[1], before, after) << 8;
            four |= (uint32_t)requantized(c, multiplier[2], before, after) << 16;
            four |= (uint32_t)requantized(d, multiplier[3], before, after) << 24;
            __builtin_memcpy(now->to + at, &four, 4);
        } else {
            store_rare(now, at, a, multiplier[0]);
            store_rare(now, at + 1, b, multiplier[1]);
            store_rare(now, at + 2, c, multiplier[2]);
            store_rare(now, at + 3, d, multiplier[3]);
        }
    }
}

/* Carries out a convolution of one of these kinds, and says whether it is one. */
static int convolve_fast(const work *now)
{
    const layer *const it = now->it;
    const int last = now->in->channels - 4; /* so that some may come a second time */
    if (it->groups == 1) {
        convolve_whole(now);
        return 1;
    }
    if (it->inputs != 1 || it->outputs != 1 || last < 0 || it->kernel_rows * it->kernel_columns == 1
        || END(now) - BEGIN(now) != it->kernel_rows) {
        return 0;
    }
    for (int channel = 0; channel < last + 4; channel += 4) {
        convolve_four(now, channel < last ? channel : last);
    }
    return 1;
}
