/* Layers that make each number from those at the same place: sums of two tensors, and activations, which are looked up. */

#if ADDS
NOINLINE static void add(const work *now, const uint8_t *second)
{
    const layer *const it = now->it;
    const uint8_t *first = now->rows[0];
    const int32_t bias = BIAS(it, biases[it->scaling]), one = multipliers[it->scaling],
                  two = multipliers[it->scaling + 1];
    const int count = now->width * now->in->channels;
#if FAST
    if (is_plain(now, 1)) {
        uint8_t *to = now->to;
        const int after = it->shift_after;
        const uint8_t *const stop = first + count;
        do {
            *to++ = requantized(bias + *first++ * one + *second++ * two, 1, 0, after);
        } while (first != stop);
        return;
    }
#endif
    for (int at = 0; at < count; at++) {
        store(now, at, bias + first[at] * one + second[at] * two, 1);
    }
}
#endif

#if CURVES
NOINLINE static void look_up(const work *now)
{
    const uint8_t *const table = curves + 256 * now->it->other;
    const int count = now->width * now->in->channels;
    for (int at = 0; at < count; at++) {
        now->to[at] = table[now->rows[0][at]];
    }
}
#endif
