/* Convolutions for processors with the DSP extension, which multiplies and adds two pairs of 16 bits at a time. */

#include "widen_dsp.h"

/* Two weights of a group, as numbers of 16 bits. */
#if WEIGHT_BITS == 8
#define WIDE(four, part) ((part) ? odd_weights(four) : even_weights(four))
#else
#define WIDE(four, part) ((four) >> 4 * (part)&0x000f000f)
#endif

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
#define ADD_GROUP(one, two, pair, a, b, c, d)                       \
    {                                                               \
        const uint32_t four = load4(one), other = load4(two);       \
        for (int part = 0; part < GROUP / 2; part++, (pair) += 2) { \
            (a) = add_products(WIDE(four, part), (pair)[0], a);     \
            (b) = add_products(WIDE(four, part), (pair)[1], b);     \
            (c) = add_products(WIDE(other, part), (pair)[0], c);    \
            (d) = add_products(WIDE(other, part), (pair)[1], d);    \
        }                                                           \
        (one) += 4;                                                 \
        (two) += 4;                                                 \
    }
#endif

/* The same of one output, or at one place. */
INLINE static int32_t add_group_of_one(const weight_type *one, const uint32_t *pair, int32_t *there, int32_t here)
{
    const uint32_t four = load4(one);
    for (int part = 0; part < GROUP / 2; part++) {
        uint32_t first, second;
        pair = load_two(pair, &first, &second);
        here = add_products(WIDE(four, part), first, here);
        *there = add_products(WIDE(four, part), second, *there);
    }
    return here;
}

INLINE static int32_t add_group_at_one(const weight_type *one, const weight_type *two, const uint32_t *pair,
                                       int32_t *second, int32_t first)
{
    const uint32_t four = load4(one), other = load4(two);
    for (int part = 0; part < GROUP / 2; part++, pair += 2) {
        first = add_products(WIDE(four, part), *pair, first);
        *second = add_products(WIDE(other, part), *pair, *second);
    }
    return first;
}

/* Shifts of so many bits or more leave room for a multiplier in the upper half of a product. */
enum { LEAST_SHIFT = 17 };

/* The byte that a sum becomes by such a shift; `scale` is the multiplier, so that the product's upper half is left of it. */
INLINE static uint8_t scaled(int32_t sum, int before, int32_t scale)
{
    return (uint8_t)__usat(upper_product(sum >> before, scale), 8);
}

/* What all outputs at two places have in common: where they go, the weights, how many bytes of these belong to an output and
 * are taken, and, with weights of 4 bits, what is to be taken off. */
typedef struct {
    uint8_t *to;
    int size, run;
    const weight_type *weight;
    uint32_t totals[2];
} places;

/* The last output at two places, where their number is odd. */
INLINE static void last_output_at(const work *now, const places *at, const weight_type *one, int apart, const int plain)
{
    const layer *const it = now->it;
    const int output = it->outputs - 1, place = (int)(at->to - now->to) + output;
    const uint32_t multiplier = multipliers[it->scaling + output];
    const weight_type *const stop = one + at->run;
    const uint32_t *pair = pairs;
    int32_t a = BIAS(it, biases[it->scaling + output]), b = a;
#if ROW_SUMS
    if (!plain && CONTINUES(now)) {
        a = now->sums[place];
        b = now->sums[place + apart];
    }
#endif
#if WEIGHT_BITS == 4
    a -= (int32_t)at->totals[0];
    b -= (int32_t)at->totals[1];
#endif
    for (; one != stop; one += 4, pair += GROUP) {
        a = add_group_of_one(one, pair, &b, a);
    }
    if (plain) {
        const int32_t scale = (int32_t)(multiplier << (32 - it->shift_after));
        now->to[place + apart] = scaled(b, it->shift_before, scale); /* before what counts, if this is its place */
        now->to[place] = scaled(a, it->shift_before, scale);
    } else {
        store_rare(now, place + apart, b, multiplier);
        store_rare(now, place, a, multiplier);
    }
}

/* All outputs at two places, so many bytes apart, or at one; two outputs at a time; `plain` where each becomes a byte at once. */
INLINE static void outputs_at(const work *now, const places *at, const int apart, const int two_places, const int plain)
{
    const layer *const it = now->it;
    const int before = it->shift_before, left = 32 - it->shift_after, size = at->size, run = at->run, gap = size - run;
    const bias_type *bias = biases + it->scaling;
    const uint16_t *multiplier = multipliers + it->scaling;
    const weight_type *one = at->weight;
    uint8_t *to = at->to, *const end = to + (it->outputs & ~1);
    while (to != end) {
        int32_t a = BIAS(it, bias[0]), b = a, c = BIAS(it, bias[1]), d = c;
        const weight_type *two = one + size, *const stop = one + run;
        const uint32_t *pair = pairs;
        bias += 2;
#if ROW_SUMS
        if (!plain && CONTINUES(now)) {
            const int32_t *const so_far = now->sums + (to - now->to);
            a = so_far[0];
            b = so_far[apart];
            c = so_far[1];
            d = so_far[apart + 1];
        }
#endif
#if WEIGHT_BITS == 4
        a -= (int32_t)at->totals[0];
        b -= (int32_t)at->totals[1];
        c -= (int32_t)at->totals[0];
        d -= (int32_t)at->totals[1];
#endif
        if (two_places) {
            do {
                ADD_GROUP(one, two, pair, a, b, c, d)
            } while (one != stop);
        } else {
            do {
                a = add_group_at_one(one, two, pair, &c, a);
                one += 4;
                two += 4;
                pair += GROUP;
            } while (one != stop);
        }
        one = two + gap;
        if (plain) {
            const int32_t scale = multiplier[0] << left, other = multiplier[1] << left;
            if (two_places) {
                to[apart] = scaled(b, before, scale);
                to[apart + 1] = scaled(d, before, other);
            }
            to[0] = scaled(a, before, scale);
            to[1] = scaled(c, before, other);
        } else {
            const int place = (int)(to - now->to);
            if (two_places) {
                store_rare(now, place + apart, b, multiplier[0]);
                store_rare(now, place + apart + 1, d, multiplier[1]);
            }
            store_rare(now, place, a, multiplier[0]);
            store_rare(now, place + 1, c, multiplier[1]);
        }
        to += 2;
        multiplier += 2;
    }
    if (it->outputs & 1) {
        last_output_at(now, at, one, apart, plain);
    }
}

/* A convolution in which each output takes all channels, two outputs at two places at a time. */
NOINLINE static void convolve_whole(const work *now)
{
    const layer *const it = now->it;
    const int outputs = it->outputs, plain = is_plain(now, LEAST_SHIFT), whole = rows_are_whole(now);
    const int span = it->kernel_columns * it->inputs, step = plain || ROW_SUMS ? 2 : 1;
    places at;
    at.to = now->to;
    at.size = weights_apart(it) * WEIGHT_BITS / 8;
    at.run = ((END(now) - BEGIN(now)) * span + GROUP - 1) / GROUP * 4;
    at.weight = weights + ((int)it->weights + BEGIN(now) * span) * WEIGHT_BITS / 8;
    for (int x = 0; x < now->width; x += step, at.to += step * outputs) {
        const int apart = x + step / 2 < now->width ? step / 2 * outputs : 0, first = x * it->stride_x - it->pad_left;
        widen_windows(now, first, apart ? first + it->stride_x : first, whole, at.totals);
        at.totals[0] *= 8;
        at.totals[1] *= 8;
        if (!plain) {
            outputs_at(now, &at, ROW_SUMS ? apart : 0, ROW_SUMS && apart, 0);
        } else if (apart) {
            outputs_at(now, &at, outputs, 1, 1);
        } else {
            outputs_at(now, &at, 0, 0, 1);
        }
    }
}

#if COLUMNS
#include "depthwise_dsp.h"
#endif

/* Carries out a convolution of one of these kinds, and says whether it is one. */
static int convolve_fast(const work *now)
{
    const layer *const it = now->it;
#if GREY
    if (it->groups * it->inputs == 1 && it->outputs > 3 && it->kernel_columns > 1 && is_plain(now, LEAST_SHIFT)) {
        convolve_grey(now);
        return 1;
    }
#endif
#if DEPTHWISE
    if (it->inputs * it->outputs == 1 && it->groups > 3 && it->kernel_columns > 1 && is_plain(now, LEAST_SHIFT)) {
        convolve_each(now);
        return 1;
    }
#endif
    if (it->groups > 1 || (WEIGHT_BITS == 4 && BEGIN(now) * it->kernel_columns * it->inputs % 2)) {
        return 0; /* or in the middle of a byte */
    }
    convolve_whole(now);
    return 1;
}
