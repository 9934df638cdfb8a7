/* Convolutions for processors with the DSP extension, which multiplies and adds two pairs of 16 bits at a time. */

/* The pixels under a kernel at two places, in numbers of 16 bits, in the order in which weights are unpacked: in 8 bits, of
 * every four the even ones here and there, then the odd ones; in 4 bits, of every eight the first and the fifth here and
 * there, then the second and the sixth, and so on. Zeros fill the last group. */
static uint32_t pairs[PAIRS];

#if WINDOW
static uint8_t windows[2][WINDOW + 3];
#endif

#if WEIGHT_BITS == 8
enum { GROUP = 4 };

INLINE static uint32_t widen_group(uint32_t *to, const uint8_t *from)
{
    const uint32_t four = load4(from);
    to[0] = even_bytes(four);
    to[2] = odd_bytes(four);
    return 0;
}
#else
enum { GROUP = 8 };

/* Gives what they add up to: weights are unpacked as numbers from 1 to 15, 8 too many, for which it makes up. */
INLINE static uint32_t widen_group(uint32_t *to, const uint8_t *from)
{
    const uint32_t first = load4(from), second = load4(from + 4);
    const uint32_t even = even_bytes(first), odd = odd_bytes(first);
    const uint32_t even_after = even_bytes(second), odd_after = odd_bytes(second);
    to[0] = (even & 0xffff) | even_after << 16;
    to[2] = (odd & 0xffff) | odd_after << 16;
    to[4] = even >> 16 | (even_after & 0xffff0000);
    to[6] = odd >> 16 | (odd_after & 0xffff0000);
    return __usada8((uint8x4_t)first, 0, __usada8((uint8x4_t)second, 0, 0));
}
#endif

/* So many pixels of both places. */
NOINLINE static uint32_t *widen(uint32_t *to, const uint8_t *here, const uint8_t *there, int count, uint32_t totals[2])
{
    uint32_t total_here = totals[0], total_there = totals[1];
    for (; count >= GROUP; count -= GROUP, here += GROUP, there += GROUP, to += GROUP) {
        total_here += widen_group(to, here);
        total_there += widen_group(to + 1, there);
    }
    if (count) {
        uint8_t rest[2][GROUP];
        for (int at = 0; at < GROUP; at++) {
            rest[0][at] = at < count ? here[at] : 0;
            rest[1][at] = at < count ? there[at] : 0;
        }
        total_here += widen_group(to, rest[0]);
        total_there += widen_group(to + 1, rest[1]);
    }
    totals[0] = total_here;
    totals[1] = total_there;
    return to;
}

/* Fills `pairs` for the windows that begin at these columns. */
static void widen_windows(const work *now, int first, int second, int whole, uint32_t totals[2])
{
    const int channels = now->in->channels, span = now->it->kernel_columns * channels, rows = END(now) - BEGIN(now);
    const int last = now->in->width - now->it->kernel_columns;
    const int here_inside = whole && first >= 0 && first <= last, there_inside = whole && second >= 0 && second <= last;
    uint32_t *to = pairs;
    totals[0] = totals[1] = 0;
    if (here_inside && there_inside && (rows == 1 || span % GROUP == 0)) {
        for (int y = BEGIN(now); y < END(now); y++) {
            to = widen(to, ROW(now, y) + first * channels, ROW(now, y) + second * channels, span, totals);
        }
        return;
    }
#if WINDOW
    const uint8_t *const here = here_inside ? copy_inner(now, first, windows[0]) : copy_window(now, first, windows[0]);
    const uint8_t *const there = second == first ? here
                                 : there_inside  ? copy_inner(now, second, windows[1])
                                                 : copy_window(now, second, windows[1]);
    widen(to, here, there, rows * span, totals);
#endif
}

/* A group of weights of two outputs times the pixels at two places. Compilers run out of registers, so the order is laid
 * down: with the loop, 18 instructions for 16 products of 8 bits, 33 for 32 of 4 bits. */
#if defined(__thumb2__) && defined(__ARM_FEATURE_UNALIGNED) && defined(__OPTIMIZE__)
#define LOAD_WEIGHTS "ldr %[four], [%[w1]], #4\n\tldr %[other], [%[w2]], #4\n\t"
#define LOAD_PIXELS "ldrd %[here], %[there], [%[p]], #8\n\t"
#define MULTIPLY(one, two)                                                                         \
    one "smlad %[s1], %[wide], %[here], %[s1]\n\t"                                                 \
        "smlad %[s2], %[wide], %[there], %[s2]\n\t" two "smlad %[s3], %[wide], %[here], %[s3]\n\t" \
        "smlad %[s4], %[wide], %[there], %[s4]\n\t"
#if WEIGHT_BITS == 8
#define UNPACK(from, turn) "sxtb16 %[wide], %[" from "]" turn "\n\t"
#define PART(turn) LOAD_PIXELS MULTIPLY(UNPACK("four", turn), UNPACK("other", turn))
#define ALL_PARTS PART("") PART(", ror #8")
#define MASK
#else
#define UNPACK(from, turn) "and %[wide], %[mask], %[" from "]" turn "\n\t"
#define PART(turn) LOAD_PIXELS MULTIPLY(UNPACK("four", turn), UNPACK("other", turn))
#define ALL_PARTS PART("") PART(", lsr #4") PART(", lsr #8") PART(", lsr #12")
#define MASK [mask] "r"(0x000f000f)
#endif
#define ADD_GROUP(one, two, pair, a, b, c, d)                                                                         \
    {                                                                                                                 \
        uint32_t four, other, here, there, wide;                                                                      \
        __asm__(                                                                                                      \
            LOAD_WEIGHTS ALL_PARTS                                                                                    \
            : [w1] "+r"(one), [w2] "+r"(two), [p] "+r"(pair), [s1] "+r"(a), [s2] "+r"(b), [s3] "+r"(c), [s4] "+r"(d), \
              [four] "=&r"(four), [other] "=&r"(other), [here] "=&r"(here), [there] "=&r"(there), [wide] "=&r"(wide)  \
            : MASK                                                                                                    \
            : "memory");                                                                                              \
    }
#else
#if WEIGHT_BITS == 8
#define UNPACK(four, part) ((part) ? odd_weights(four) : even_weights(four))
#else
#define UNPACK(four, part) ((four) >> 4 * (part)&0x000f000f)
#endif
#define ADD_GROUP(one, two, pair, a, b, c, d)                       \
    {                                                               \
        const uint32_t four = load4(one), other = load4(two);       \
        for (int part = 0; part < GROUP / 2; part++, (pair) += 2) { \
            (a) = add_products(UNPACK(four, part), (pair)[0], a);   \
            (b) = add_products(UNPACK(four, part), (pair)[1], b);   \
            (c) = add_products(UNPACK(other, part), (pair)[0], c);  \
            (d) = add_products(UNPACK(other, part), (pair)[1], d);  \
        }                                                           \
        (one) += 4;                                                 \
        (two) += 4;                                                 \
    }
#endif

/* A convolution in which each output takes all channels, two outputs at two places at a time. Where there is only one of
 * either left, it is worked out twice. */
NOINLINE static void convolve_whole(const work *now)
{
    const layer *const it = now->it;
    const int outputs = it->outputs, before = it->shift_before, after = it->shift_after, plain = is_plain(now);
    const int span = it->kernel_columns * it->inputs, whole = rows_are_whole(now);
    const int size = weights_apart(it) * WEIGHT_BITS / 8; /* bytes from an output's weights to the next one's */
    const int run = ((END(now) - BEGIN(now)) * span + GROUP - 1) / GROUP * 4, step = 2 * size - run;
    const bias_type *const bias = biases + it->scaling;
    const uint16_t *const multiplier = multipliers + it->scaling;
    const weight_type *const weight = weights + ((int)it->weights + BEGIN(now) * span) * WEIGHT_BITS / 8;
    for (int x = 0; x < now->width; x += 2) {
        const int apart = x + 1 < now->width ? outputs : 0;
        const int first = x * it->stride_x - it->pad_left;
        const weight_type *one = weight;
        uint8_t *const to = now->to + x * outputs;
        uint32_t totals[2];
        int to_next = size, both = 1;
        widen_windows(now, first, apart ? first + it->stride_x : first, whole, totals);
        totals[0] *= 8;
        totals[1] *= 8;
        for (int at = 0; at < outputs; at += 2) {
            int32_t a, b, c, d;
            KEEP_COUNT(at);
            if (at + 1 == outputs) {
                both = to_next = 0;
            }
            a = b = BIAS(it, bias[at]);
            c = d = BIAS(it, bias[at + both]);
#if ROW_SUMS
            if (CONTINUES(now)) {
                const int32_t *const so_far = now->sums + x * outputs + at;
                a = so_far[0];
                b = so_far[apart];
                c = so_far[both];
                d = so_far[apart + both];
            }
#endif
#if WEIGHT_BITS == 4
            a -= (int32_t)totals[0];
            b -= (int32_t)totals[1];
            c -= (int32_t)totals[0];
            d -= (int32_t)totals[1];
#endif
            {
                const weight_type *two = one + to_next;
                const weight_type *const stop = one + run;
                const uint32_t *pair = pairs;
                do {
                    ADD_GROUP(one, two, pair, a, b, c, d)
                } while (one != stop);
                one += step;
            }
            if (plain) {
                const uint32_t scale = multiplier[at], other_scale = multiplier[at + both];
                uint8_t *const here = to + at, *const there = here + apart;
                here[0] = requantized(a, scale, before, after);
                here[both] = requantized(c, other_scale, before, after);
                there[0] = requantized(b, scale, before, after);
                there[both] = requantized(d, other_scale, before, after);
            } else {
                const int place = x * outputs + at;
                store_rare(now, place, a, multiplier[at]);
                store_rare(now, place + apart, b, multiplier[at]);
                store_rare(now, place + both, c, multiplier[at + both]);
                store_rare(now, place + apart + both, d, multiplier[at + both]);
            }
        }
    }
}

#if TAPS
/* A place of the kernel: the address of the first channel's pixel under it, and its weights for four channels. */
typedef struct {
    const uint8_t *from;
    uint32_t even, odd;
} tap;
static tap taps[2][TAPS];

/* Notes what of the kernel lies within the picture in the window at column `first`, and the sums of biases and of what lies
 * outside; gives the number of places. */
NOINLINE static int note_taps(const work *now, int channel, int first, tap *to, int32_t rest[4])
{
    const layer *const it = now->it;
    const int size = it->kernel_rows * it->kernel_columns;
    const tap *const begin = to;
    int number = (int)it->weights + channel * size;
    for (int part = 0; part < 4; part++) {
        rest[part] = BIAS(it, biases[(int)it->scaling + channel + part]);
    }
    for (int y = 0; y < it->kernel_rows; y++) {
        const uint8_t *const row = now->rows[y];
        int column = first;
        for (int part = it->kernel_columns; part; part--, column += DILATION_X(it), number++) {
            const int32_t a = weight_at(number), b = weight_at(number + size);
            const int32_t c = weight_at(number + 2 * size), d = weight_at(number + 3 * size);
            if (row && column >= 0 && column < now->in->width) {
                to->from = row + column * now->in->channels + channel;
                to->even = (uint16_t)a | (uint32_t)c << 16;
                to->odd = (uint16_t)b | (uint32_t)d << 16;
                to++;
            } else {
                rest[0] += a * it->zero_point;
                rest[1] += b * it->zero_point;
                rest[2] += c * it->zero_point;
                rest[3] += d * it->zero_point;
            }
        }
    }
    return (int)(to - begin);
}

/* Four channels of a convolution in which each channel has a kernel of its own. */
NOINLINE static void convolve_four(const work *now, int channel)
{
    const layer *const it = now->it;
    const int channels = now->in->channels, before = it->shift_before, after = it->shift_after, plain = is_plain(now);
    const uint16_t *const multiplier = multipliers + it->scaling + channel;
    const int last = now->in->width - 1 - (it->kernel_columns - 1) * DILATION_X(it);
    int32_t inner[4], rest[4];
    uint8_t *to = now->to + channel;
    int count = 0, first = -it->pad_left, start = 0; /* where the windows inside begin */
    for (int x = 0; x < now->width; x++, to += channels, first += it->stride_x) {
        const tap *at = taps[0], *stop;
        int32_t a, b, c, d;
        int shift = 0;
        if (first < 0 || first > last) {
            at = taps[1];
            stop = at + note_taps(now, channel, first, taps[1], rest);
            a = rest[0];
            b = rest[1];
            c = rest[2];
            d = rest[3];
        } else {
            if (count == 0) {
                start = first;
                count = note_taps(now, channel, first, taps[0], inner);
            }
            shift = (first - start) * channels;
            stop = at + count;
            a = inner[0];
            b = inner[1];
            c = inner[2];
            d = inner[3];
        }
        for (; at != stop; at++) {
            const uint32_t four = load4(at->from + shift), even = even_bytes(four), odd = odd_bytes(four);
            a = __smlabb((int32_t)at->even, (int32_t)even, a);
            b = __smlabb((int32_t)at->odd, (int32_t)odd, b);
            c = __smlatt((int32_t)at->even, (int32_t)even, c);
            d = __smlatt((int32_t)at->odd, (int32_t)odd, d);
        }
        if (plain) {
            to[0] = requantized(a, multiplier[0], before, after);
            to[1] = requantized(b, multiplier[1], before, after);
            to[2] = requantized(c, multiplier[2], before, after);
            to[3] = requantized(d, multiplier[3], before, after);
        } else {
            const int place = x * channels + channel;
            store_rare(now, place, a, multiplier[0]);
            store_rare(now, place + 1, b, multiplier[1]);
            store_rare(now, place + 2, c, multiplier[2]);
            store_rare(now, place + 3, d, multiplier[3]);
        }
    }
}
#endif

/* Carries out a convolution of one of these kinds, and says whether it is one. */
static int convolve_fast(const work *now)
{
    const layer *const it = now->it;
    if (it->groups == 1) {
        if (WEIGHT_BITS == 4 && BEGIN(now) * it->kernel_columns * it->inputs % 2) {
            return 0; /* in the middle of a byte */
        }
        convolve_whole(now);
        return 1;
    }
#if TAPS
    const int last = now->in->channels - 4; /* so that some may come a second time */
    if (it->inputs == 1 && it->outputs == 1 && last >= 0 && END(now) - BEGIN(now) == it->kernel_rows) {
        for (int channel = 0; channel < last + 4; channel += 4) {
            convolve_four(now, channel < last ? channel : last);
        }
        return 1;
    }
#endif
    return 0;
}
