/* Convolutions, which linear layers and norms are as well. Weights are [outputs][rows][columns][inputs]. */

#if WEIGHT_BITS == 8
typedef const int8_t *weight_place;
#define WEIGHTS_AT(number) (weights + (number))
#else
typedef int weight_place; /* a weight's number; a byte holds several, the first one lowest */
#define WEIGHTS_AT(number) ((int)(number))
#endif

#if WEIGHT_BITS == 2 || (FAST && (DEPTHWISE || (DSP && GREY)))
/* A weight by its number. */
static int32_t weight_at(int number)
{
#if WEIGHT_BITS == 8
    return weights[number];
#elif WEIGHT_BITS == 4
    return (weights[number >> 1] >> 4 * (number & 1) & 15) - 8;
#else
    return (weights[number >> 2] >> 2 * (number & 3) & 3) - 2;
#endif
}

#endif

/* From the first weight of an output to that of the next: of 4 bits, those that take all channels begin with a byte. */
static int weights_apart(const layer *it)
{
    const int size = it->kernel_rows * it->kernel_columns * it->inputs;
    return WEIGHT_BITS == 4 && it->groups == 1 ? (size + 1) & ~1 : size;
}

/* The sum with a run of weights times pixels added, which lie so far apart; with 0, all of them times the same one. */
NOINLINE static int32_t dot(int32_t sum, weight_place weight, const uint8_t *from, int apart, int run)
{
#if WEIGHT_BITS == 8
#if DSP
    if (apart == 1) {
        for (; run >= 4; run -= 4, weight += 4, from += 4) {
            const uint32_t four = load4(weight), pixels = load4(from);
            sum = add_products(even_weights(four), even_bytes(pixels), sum);
            sum = add_products(odd_weights(four), odd_bytes(pixels), sum);
        }
        if (run == 0) {
            return sum;
        }
    }
#endif
    do {
        sum += *weight++ * *from;
        from += apart;
    } while (--run);
    return sum;
#elif WEIGHT_BITS == 4
    const uint8_t *pair = weights + (weight >> 1);
    if (weight & 1) {
        sum += ((*pair++ >> 4) - 8) * *from;
        from += apart;
        run--;
    }
    for (; run > 1; run -= 2) {
        const int32_t two = *pair++;
        sum += ((two & 15) - 8) * *from;
        from += apart;
        sum += ((two >> 4) - 8) * *from;
        from += apart;
    }
    return run ? sum + ((*pair & 15) - 8) * *from : sum;
#else
    do {
        sum += weight_at(weight++) * *from;
        from += apart;
    } while (--run);
    return sum;
#endif
}

#if FAST && DSP
#include "convolve_dsp.h"
#elif FAST
#include "convolve_fast.h"
#endif

/* Any convolution, one output at a time. */
NOINLINE static void convolve_any(const work *now)
{
    const layer *const it = now->it;
    const tensor *const in = now->in;
    /* A kernel's row is one run where a group has all channels, or one. */
    const int run = it->kernel_columns * it->inputs;
    const int whole = DILATION_X(it) == 1 && (it->groups == 1 || it->inputs == 1);
    const int apart = it->groups == 1 ? 1 : in->channels;
    int at = 0;
    for (int x = 0; x < now->width; x++) {
        weight_place weight = WEIGHTS_AT(it->weights) + BEGIN(now) * run;
        const bias_type *bias = biases + it->scaling;
        const uint16_t *multiplier = multipliers + it->scaling;
        const int first = x * it->stride_x - it->pad_left;
        const int inside = whole && first >= 0 && first + it->kernel_columns <= in->width;
        for (int group = 0; group < it->groups; group++) {
            const int place = first * in->channels + group * it->inputs;
            for (int output = 0; output < it->outputs; output++) {
                int32_t sum = SUM_SO_FAR(now, at, BIAS(it, *bias));
                for (int y = BEGIN(now); y < END(now); y++, weight += run) {
                    const uint8_t *row = ROW(now, y);
                    if (inside && row) {
                        sum = dot(sum, weight, row + place, apart, run);
                    } else {
                        for (int part = 0; part < it->kernel_columns; part++) {
                            const int column = first + part * DILATION_X(it);
                            const int outside = !row || column < 0 || column >= in->width;
                            const uint8_t *from =
                                outside ? &it->zero_point : row + (place + (column - first) * in->channels);
                            sum = dot(sum, weight + part * it->inputs, from, !outside, it->inputs);
                        }
                    }
                }
                weight += weights_apart(it) - (END(now) - BEGIN(now)) * run;
                store(now, at++, sum, *multiplier++);
                bias++;
            }
        }
    }
}

static void convolve(const work *now)
{
#if FAST
    if (convolve_fast(now)) {
        return;
    }
#endif
    convolve_any(now);
}
