/* Convolutions for processors without the DSP extension, each output at two places at a time.
 *
 * Loading a word takes such a processor as long as loading a byte, and it loads several words by one instruction: so pixels
 * are laid out as words, in the order in which they are multiplied, before the weights of all outputs pass by. */

static uint32_t pairs[2 * PAIRS + 2]; /* the pixels under a kernel, in turn of one place and of the other */

/* Processors with eight registers for most instructions, for which compilers do not find the shortest loops. Operands are in
 * fixed registers, since r7, in which some compilers keep the frame's place, is saved and restored by these loops. */
#if defined(__thumb__) && !defined(__thumb2__) && defined(__OPTIMIZE__)
#define THUMB_1 1
#define UNIFIED ".syntax unified\n"
#else
#define THUMB_1 0
#endif

/* So many pixels of both places, in the order of the weights; or of one. */
NOINLINE static uint32_t *lay_out_two(uint32_t *to, const uint8_t *here, const uint8_t *there, int count)
{
    here += count;
    there += count;
    count = -count;
#if THUMB_1
    __asm__ volatile(UNIFIED "1:\n\t"
                             "ldrb r4, [%[here], %[count]]\n\t"
                             "ldrb r5, [%[there], %[count]]\n\t"
                             "stmia %[to]!, {r4, r5}\n\t"
                             "adds %[count], #1\n\t"
                             "bne 1b"
                     : [to] "+l"(to), [count] "+l"(count)
                     : [here] "l"(here), [there] "l"(there)
                     : "r4", "r5", "cc", "memory");
#else
    for (; count; count++) {
        *to++ = here[count];
        *to++ = there[count];
    }
#endif
    return to;
}

NOINLINE static void lay_out_one(uint32_t *to, const work *now, const uint8_t *row, int column)
{
    const layer *const it = now->it;
    const int channels = now->in->channels;
    for (int part = it->kernel_columns; part; part--, column += DILATION_X(it)) {
        const int outside = !row || column < 0 || column >= now->in->width;
        const uint8_t *from = outside ? &it->zero_point : row + column * channels;
        for (int left = channels; left; left--, from += !outside) {
            *to = *from;
            to += 2;
        }
    }
}

/* Fills `pairs` for the windows that begin at these columns, with zeros up to an even number. */
static void lay_out_windows(const work *now, int first, int second, int whole)
{
    const int channels = now->in->channels, span = now->it->kernel_columns * channels;
    const int inside = whole && first >= 0 && second + now->it->kernel_columns <= now->in->width;
    uint32_t *to = pairs;
    for (int y = BEGIN(now); y < END(now); y++) {
        const uint8_t *const row = ROW(now, y);
        if (inside) {
            to = lay_out_two(to, row + first * channels, row + second * channels, span);
        } else {
            lay_out_one(to, now, row, first);
            lay_out_one(to + 1, now, row, second);
            to += 2 * span;
        }
    }
    to[0] = 0;
    to[1] = 0;
}

/* Adds all weights up to `end`, counted by an even number below 0, times the pixels at both places to the same number: gives
 * the sum here, and the other one. */
INLINE_IF_FAST static int32_t add_both(const int8_t *end, int left, int32_t here, int32_t *there)
{
#if THUMB_1
    register const uint32_t *pair __asm__("r0") = pairs;
    register int number __asm__("r1") = left;
    register int32_t sum __asm__("r2") = here;
    register const int8_t *from __asm__("r3") = end;
    __asm__(UNIFIED "mov r8, r7\n\t"
                    "mov ip, r2\n\t"
                    "mov lr, r2\n"
                    "1:\n\t"
                    "ldmia r0!, {r4, r5, r6, r7}\n\t"
                    "ldrsb r2, [r3, r1]\n\t"
                    "muls r4, r2\n\t"
                    "muls r5, r2\n\t"
                    "add ip, r4\n\t"
                    "add lr, r5\n\t"
                    "adds r1, #1\n\t"
                    "ldrsb r2, [r3, r1]\n\t"
                    "muls r6, r2\n\t"
                    "muls r7, r2\n\t"
                    "add ip, r6\n\t"
                    "add lr, r7\n\t"
                    "adds r1, #1\n\t"
                    "bne 1b\n\t"
                    "mov r2, ip\n\t"
                    "mov r1, lr\n\t"
                    "mov r7, r8"
            : "+l"(pair), "+l"(number), "+l"(sum)
            : "l"(from)
            : "r4", "r5", "r6", "r8", "ip", "lr", "cc", "memory");
    *there = number;
    return sum;
#else
    const uint32_t *pair = pairs;
    int32_t second = here;
    for (; left; left++, pair += 2) {
        here += end[left] * (int32_t)pair[0];
        second += end[left] * (int32_t)pair[1];
    }
    *there = second;
    return here;
#endif
}

/* All outputs at two places, which are so many bytes apart, or at one if these are 0; from the place `at` on. Of each output,
 * `weight` is the end of those that are taken; `plain` where each sum becomes a byte at once. */
INLINE_IF_FAST static void outputs_at(const work *now, int at, int apart, const int8_t *weight, int run, int plain)
{
    const layer *const it = now->it;
    const int size = it->kernel_rows * it->kernel_columns * it->inputs, outputs = it->outputs;
    const int before = it->shift_before, after = it->shift_after;
    const bias_type *const bias = biases + it->scaling;
    const uint16_t *const multiplier = multipliers + it->scaling;
    uint8_t *const to = now->to + at, *const other = to + apart;
    for (int output = 0; output != outputs; output++, weight += size) {
        int32_t there, here = add_both(weight, -run, CONTINUES(now) && !plain ? 0 : bias[output], &there);
        if (plain) {
            const uint32_t scale = multiplier[output];
            other[output] =
                requantized(there, scale, before, after); /* before the one that counts if this is its place */
            to[output] = requantized(here, scale, before, after);
        } else {
            there += SUM_SO_FAR(now, at + apart + output, 0);
            here += SUM_SO_FAR(now, at + output, 0);
            store_rare(now, at + apart + output, there, multiplier[output]);
            store_rare(now, at + output, here, multiplier[output]);
        }
    }
}

/* A convolution in which each output takes all channels. */
NOINLINE static void convolve_whole(const work *now)
{
    const layer *const it = now->it;
    const int span = it->kernel_columns * it->inputs, run = ((END(now) - BEGIN(now)) * span + 1) & ~1;
    const int8_t *const weight = weights + it->weights + BEGIN(now) * span + run;
    const int whole = rows_are_whole(now), plain = is_plain(now, 1);
    for (int x = 0; x < now->width; x += 2) {
        const int apart = x + 1 < now->width ? it->outputs : 0, first = x * it->stride_x - it->pad_left;
        lay_out_windows(now, first, apart ? first + it->stride_x : first, whole);
        if (plain) {
            outputs_at(now, x * it->outputs, apart, weight, run, 1);
        } else {
            outputs_at(now, x * it->outputs, apart, weight, run, 0);
        }
    }
}

#if DEPTHWISE
#include "depthwise_fast.h"
#endif

/* Carries out a convolution of one of these kinds, and says whether it is one. */
static int convolve_fast(const work *now)
{
    const layer *const it = now->it;
    if (it->groups == 1) {
        convolve_whole(now);
        return 1;
    }
#if DEPTHWISE
    if (it->inputs * it->outputs == 1 && it->groups > 3 && it->kernel_columns > 1 && is_plain(now, 1)) {
        convolve_each(now);
        return 1;
    }
#endif
    return 0;
}
