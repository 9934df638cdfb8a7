/* Norms of each picture's own groups of channels, over the whole map, which is complete before their first row is made.
 *
 * With n values q of a group, n * q - sum is n times the distance from their mean, and the root of n * (sum of squares) -
 * sum * sum, with the epsilon, is n times their deviation. Their quotient, in units of 2^-10, has 16 bits. */

/* Of each group, kept from the first row to the last. */
static struct {
    uint32_t sum, root;
} statistics[NORM_GROUPS];

/* The largest whole number whose square is not larger. */
NOINLINE static uint32_t square_root(uint64_t of)
{
    uint64_t root = 0;
    for (uint64_t bit = (uint64_t)1 << 62; bit; bit >>= 2) {
        if (of >= root + bit) {
            of -= root + bit;
            root = (root >> 1) + bit;
        } else {
            root >>= 1;
        }
    }
    return (uint32_t)root;
}

NOINLINE static void measure_group(const work *now, int group, uint32_t size, uint64_t epsilon)
{
    const layer *const it = now->it;
    uint64_t squares = 0, spread;
    uint32_t sum = 0, root;
    for (int y = 0; y < it->kernel_rows; y++) {
        const uint8_t *from = now->rows[y] + group * it->inputs;
        for (int x = 0; x < now->width; x++, from += now->in->channels) {
            for (int channel = 0; channel < it->inputs; channel++) {
                sum += from[channel];
                squares += (uint32_t)from[channel] * from[channel];
            }
        }
    }
    spread = size * squares - (uint64_t)sum * sum + size * epsilon;
    root = square_root(spread);
    statistics[it->other + group].sum = sum;
    statistics[it->other + group].root = root ? root : 1;
}

/* Row y of the result. */
NOINLINE static void normalize(const work *now, int y)
{
    const layer *const it = now->it;
    const int channels = now->in->channels;
    const int by_value = it->outputs != it->inputs; /* a multiplier for each value, not for each channel */
    const int scaling = (int)it->scaling + (by_value ? y * now->width * channels : 0);
    const uint16_t *const epsilon = multipliers + it->scaling + it->groups * it->outputs;
    const uint32_t size = (uint32_t)it->kernel_rows * (uint32_t)it->kernel_columns * it->inputs;
    for (int group = 0; group < it->groups; group++) {
        uint64_t inverse;
        uint32_t sum;
        if (y == 0) {
            measure_group(now, group, size, epsilon[0] + ((uint64_t)epsilon[1] << 16));
        }
        sum = statistics[it->other + group].sum;
        inverse = ((uint64_t)1 << 41) / statistics[it->other + group].root;
        for (int x = 0; x < now->width; x++) {
            for (int channel = 0; channel < it->inputs; channel++) {
                const int at = x * channels + group * it->inputs + channel;
                const int place = scaling + (by_value ? at : at - x * channels);
                const uint32_t value = size * now->rows[y][at];
                const uint32_t distance = value > sum ? value - sum : sum - value;
                const uint64_t far = (distance * inverse + ((uint64_t)1 << 30)) >> 31;
                const int32_t part = (int32_t)(far < 32767 ? far : 32767) * (int16_t)multipliers[place];
                store(now, at, BIAS(it, biases[place]) + (value < sum ? -part : part), 1);
            }
        }
    }
}
