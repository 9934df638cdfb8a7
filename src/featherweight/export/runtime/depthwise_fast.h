/* Convolutions in which each channel has a kernel of its own, for processors without the DSP extension.
 *
 * A channel's pixels are laid out as words column after column, and so are its weights, three at a time with zeros at the
 * end: an output is the sum over one run of pixels times weights, and the next one's run begins `stride` columns later.
 * Columns outside the picture are laid out as well, so that no window differs from others. */

static uint32_t columns[DEPTHWISE];
static int32_t kernel[TAPS + 2];

/* Lays out so many pixels of a row, which are so many bytes apart, in words that are so many apart. */
NOINLINE static uint32_t *lay_out(uint32_t *to, const uint8_t *from, int apart, int count, int words)
{
    for (; count > 0; count--) {
        *to = *from;
        to += words;
        from += apart;
    }
    return to;
}

/* The same of three rows, each above the next. */
NOINLINE static void lay_out_three(uint32_t *to, const uint8_t *const *rows, int at, int apart, int count)
{
#if THUMB_1
    register uint32_t *place __asm__("r0") = to;
    register const uint8_t *one __asm__("r1") = rows[0];
    register const uint8_t *two __asm__("r2") = rows[1];
    register const uint8_t *three __asm__("r3") = rows[2];
    register int number __asm__("r4") = at;
    register int step __asm__("r5") = apart;
    register int end __asm__("r6") = at + count * apart;
    __asm__ volatile(UNIFIED "mov r8, r7\n\t"
                             "mov ip, r5\n\t"
                             "mov lr, r6\n"
                             "1:\n\t"
                             "ldrb r5, [r1, r4]\n\t"
                             "ldrb r6, [r2, r4]\n\t"
                             "ldrb r7, [r3, r4]\n\t"
                             "stmia r0!, {r5, r6, r7}\n\t"
                             "add r4, ip\n\t"
                             "cmp r4, lr\n\t"
                             "bne 1b\n\t"
                             "mov r7, r8"
                     : "+l"(place), "+l"(number), "+l"(step), "+l"(end)
                     : "l"(one), "l"(two), "l"(three)
                     : "r8", "ip", "lr", "cc", "memory");
#else
    for (const int end = at + count * apart; at != end; at += apart) {
        *to++ = rows[0][at];
        *to++ = rows[1][at];
        *to++ = rows[2][at];
    }
#endif
}

/* Lays out all columns under the windows of a row of outputs. */
static void lay_out_columns(const work *now, int channel, int whole)
{
    const layer *const it = now->it;
    const int channels = now->in->channels, width = now->in->width, rows = it->kernel_rows;
    const int wanted = (now->width - 1) * it->stride_x + (it->kernel_columns - 1) * DILATION_X(it) + 1;
    const int left = it->pad_left < wanted ? it->pad_left : wanted;
    const int inside = wanted - left < width ? wanted - left : width;
    uint32_t *const to = lay_out(columns, &it->zero_point, 0, left * rows, 1);
    if (whole && rows == 3 && inside) {
        lay_out_three(to, now->rows, channel, channels, inside);
    } else {
        for (int y = 0; y < rows; y++) {
            const uint8_t *const row = now->rows[y];
            lay_out(to + y, row ? row + channel : &it->zero_point, row ? channels : 0, inside, rows);
        }
    }
    lay_out(to + inside * rows, &it->zero_point, 0, (wanted - left - inside) * rows, 1);
}

/* Lays out the weights from this one on; gives their end. */
static const int32_t *lay_out_kernel(const layer *it, int number)
{
    const int rows = it->kernel_rows, wide = it->kernel_columns;
    const int32_t *stop = kernel;
    int32_t *to = kernel;
    for (int column = 0; column < wide; column++) {
        for (int y = 0; y < rows; y++) {
            *to++ = weight_at(number + y * wide + column);
        }
#if DILATED
        for (int gap = column + 1 < wide ? (DILATION_X(it) - 1) * rows : 0; gap; gap--) {
            *to++ = 0;
        }
#endif
    }
    to[0] = 0;
    to[1] = 0;
    while (stop < to) {
        stop += 3;
    }
    return stop;
}

/* The sum with all weights up to `stop` times pixels from here on added. */
INLINE_IF_FAST static int32_t add_run(const uint32_t *pixel, const int32_t *stop, int32_t sum)
{
#if THUMB_1
    register const uint32_t *from __asm__("r0") = pixel;
    register const int32_t *weight __asm__("r1") = kernel;
    register int32_t total __asm__("ip") = sum;
    register const int32_t *end __asm__("lr") = stop;
    __asm__(UNIFIED "mov r8, r7\n"
                    "1:\n\t"
                    "ldmia r0!, {r2, r3, r4}\n\t"
                    "ldmia r1!, {r5, r6, r7}\n\t"
                    "muls r2, r5\n\t"
                    "muls r3, r6\n\t"
                    "muls r4, r7\n\t"
                    "add ip, r2\n\t"
                    "add ip, r3\n\t"
                    "add ip, r4\n\t"
                    "cmp r1, lr\n\t"
                    "bne 1b\n\t"
                    "mov r7, r8"
            : "+l"(from), "+l"(weight), "+r"(total)
            : "r"(end)
            : "r2", "r3", "r4", "r5", "r6", "r8", "cc", "memory");
    return total;
#else
    for (const int32_t *weight = kernel; weight != stop; weight++, pixel++) {
        sum += *weight * (int32_t)*pixel;
    }
    return sum;
#endif
}

NOINLINE static void convolve_each(const work *now)
{
    const layer *const it = now->it;
    const int channels = now->in->channels, step = it->stride_x * it->kernel_rows, whole = rows_are_whole(now);
    const int before = it->shift_before, after = it->shift_after;
    int number = (int)it->weights;
    for (int channel = 0; channel < channels; channel++, number += it->kernel_rows * it->kernel_columns) {
        const int32_t *const stop = lay_out_kernel(it, number);
        const uint32_t *from = columns, multiplier = multipliers[it->scaling + channel];
        const int32_t bias = biases[it->scaling + channel];
        uint8_t *to = now->to + channel, *const end = to + now->width * channels;
        lay_out_columns(now, channel, whole);
        do {
            *to = requantized(add_run(from, stop, bias), multiplier, before, after);
            to += channels;
            from += step;
        } while (to != end);
    }
}
