/* Arm's DSP extension: a word of 32 bits as four bytes, or as two numbers of 16 bits, two of which are multiplied at a time. */
#include <arm_acle.h>

#define INLINE __attribute__((always_inline, unused)) inline

INLINE static uint32_t load4(const void *from)
{
    uint32_t four;
    __builtin_memcpy(&four, from, 4);
    return four;
}

/* The first and the third byte, without and with a sign. */
INLINE static uint32_t even_bytes(uint32_t four)
{
#if defined(__arm__)
    uint32_t found;
    __asm__("uxtb16 %0, %1" : "=r"(found) : "r"(four));
    return found;
#else
    return (uint32_t)__uxtb16((uint8x4_t)four);
#endif
}

INLINE static uint32_t even_weights(uint32_t four) { return (uint32_t)__sxtb16((int8x4_t)four); }

/* The second and the fourth. */
INLINE static uint32_t odd_bytes(uint32_t four)
{
#if defined(__arm__)
    uint32_t found;
    __asm__("uxtb16 %0, %1, ror #8" : "=r"(found) : "r"(four));
    return found;
#else
    return even_bytes(four >> 8 | four << 24);
#endif
}

INLINE static uint32_t odd_weights(uint32_t four)
{
#if defined(__arm__)
    uint32_t found;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(found) : "r"(four));
    return found;
#else
    return even_weights(four >> 8 | four << 24);
#endif
}

/* The sum with both products added. */
INLINE static int32_t add_products(uint32_t one, uint32_t two, int32_t sum)
{
    return __smlad((int16x2_t)one, (int16x2_t)two, sum);
}

/* The lower halves of two words, and the upper ones, the first word's lowest. */
INLINE static uint32_t lower_halves(uint32_t one, uint32_t two)
{
#if defined(__arm__)
    uint32_t found;
    __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(found) : "r"(one), "r"(two));
    return found;
#else
    return (one & 0xffff) | two << 16;
#endif
}

INLINE static uint32_t upper_halves(uint32_t one, uint32_t two)
{
#if defined(__arm__)
    uint32_t found;
    __asm__("pkhtb %0, %1, %2, asr #16" : "=r"(found) : "r"(two), "r"(one));
    return found;
#else
    return one >> 16 | (two & 0xffff0000U);
#endif
}

/* The upper half of a product of 64 bits. */
INLINE static int32_t upper_product(int32_t one, int32_t two)
{
#if defined(__arm__)
    int32_t found;
    __asm__("smmul %0, %1, %2" : "=r"(found) : "r"(one), "r"(two));
    return found;
#else
    return (int32_t)((int64_t)one * two >> 32);
#endif
}

/* Stores two words, or loads them, by one instruction; gives the place behind them. */
INLINE static uint32_t *store_two(uint32_t *to, uint32_t one, uint32_t two)
{
#if defined(__thumb2__)
    __asm__ volatile("strd %1, %2, [%0], #8" : "+r"(to) : "r"(one), "r"(two) : "memory");
#else
    *to++ = one;
    *to++ = two;
#endif
    return to;
}

INLINE static const uint32_t *load_two(const uint32_t *from, uint32_t *one, uint32_t *two)
{
#if defined(__thumb2__)
    __asm__("ldrd %1, %2, [%0], #8" : "+r"(from), "=&r"(*one), "=&r"(*two) : : "memory");
#else
    *one = *from++;
    *two = *from++;
#endif
    return from;
}
