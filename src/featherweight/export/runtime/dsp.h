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
INLINE static uint32_t even_bytes(uint32_t four) { return (uint32_t)__uxtb16((uint8x4_t)four); }

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
