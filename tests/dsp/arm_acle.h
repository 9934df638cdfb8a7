/* The instructions of Arm's DSP extension that exported programs use, in plain C: so their code for it runs anywhere,
 * under sanitizers. A number of 16 bits is half of a word, as in Arm's own header. */
#ifndef ARM_ACLE_H
#define ARM_ACLE_H

#include <stdint.h>

typedef int32_t int16x2_t, int8x4_t;
typedef uint32_t uint16x2_t, uint8x4_t;

static uint32_t at_least; /* a bit for each byte, as the flags GE */

static inline int32_t half(int16x2_t word, int which)
{
    return (int32_t)(((uint32_t)word >> 16 * which & 0xffff) ^ 0x8000) - 0x8000;
}

static inline uint16x2_t __uxtb16(uint8x4_t word)
{
    return word & 0x00ff00ff;
}

static inline int16x2_t __sxtb16(int8x4_t word)
{
    const uint32_t all = (uint32_t)word;
    const uint32_t low = ((all & 0xff) ^ 0x80) - 0x80, high = ((all >> 16 & 0xff) ^ 0x80) - 0x80;
    return (int16x2_t)((low & 0xffff) | high << 16);
}

static inline int32_t __smlad(int16x2_t one, int16x2_t two, int32_t sum)
{
    return half(one, 0) * half(two, 0) + half(one, 1) * half(two, 1) + sum;
}

static inline int32_t __smlabb(int32_t one, int32_t two, int32_t sum)
{
    return half(one, 0) * half(two, 0) + sum;
}

static inline int32_t __smlatt(int32_t one, int32_t two, int32_t sum)
{
    return half(one, 1) * half(two, 1) + sum;
}

static inline uint32_t __usada8(uint8x4_t one, uint8x4_t two, uint32_t sum)
{
    int at;
    for (at = 0; at < 4; at++) {
        const int32_t first = (int32_t)(one >> 8 * at & 0xff), second = (int32_t)(two >> 8 * at & 0xff);
        sum += (uint32_t)(first > second ? first - second : second - first);
    }
    return sum;
}

static inline uint32_t __usat(int32_t value, unsigned bits)
{
    const int32_t top = (int32_t)((1u << bits) - 1);
    return (uint32_t)(value < 0 ? 0 : value < top ? value : top);
}

static inline uint32_t __usub8(uint32_t one, uint32_t two)
{
    uint32_t result = 0;
    int at;
    at_least = 0;
    for (at = 0; at < 4; at++) {
        const uint32_t first = one >> 8 * at & 0xff, second = two >> 8 * at & 0xff;
        at_least |= (uint32_t)(first >= second) << at;
        result |= ((first - second) & 0xff) << 8 * at;
    }
    return result;
}

static inline uint32_t __sel(uint32_t one, uint32_t two)
{
    uint32_t result = 0;
    int at;
    for (at = 0; at < 4; at++) {
        result |= (at_least >> at & 1 ? one : two) & (uint32_t)0xff << 8 * at;
    }
    return result;
}

#endif
