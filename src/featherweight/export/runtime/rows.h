/* What every kernel shares: the state of the tensors, the work on one row, and how a sum becomes a byte. */

#if BY_ROWS
#define KIND(it) ((it)->kind & ~BY_ROW)
#else
#define KIND(it) ((it)->kind)
#endif

typedef char an_int_has_32_bits[sizeof(int) >= 4 ? 1 : -1];

/* Of a tensor: the rows made so far, and where in its ring the next one goes; and, of that one, the rows taken in. */
typedef struct {
    uint16_t made, next;
#if BY_ROWS
    uint16_t taken;
#endif
} progress;

typedef struct {
    const uint8_t *picture;
    progress of[LAYERS + 1];
#if ADDS && FAST
    uint16_t asked_by[LAYERS]; /* the layer that asked each one for its last row */
#endif
} state;

/* One layer's work on one row of its output, or on the part of it that one row of its input gives. */
typedef struct {
    const layer *it;
    const tensor *in;
    uint8_t *to;
    int16_t *scores; /* of the last layer, otherwise 0 */
    int width;
#if BY_ROWS
    int begin, end; /* the kernel's rows that are taken in */
#endif
#if ROW_SUMS
    int32_t *sums;
#endif
    const uint8_t *rows[TALLEST];
} work;

/* The kernel's rows that are taken in, a row of input by its number, and the sum that the rows before have left. */
#if BY_ROWS
#define BEGIN(now) ((now)->begin)
#define END(now) ((now)->end)
#define ROW(now, y) ((now)->rows[(y) - (now)->begin])
#define CONTINUES(now) ((now)->begin != 0)
#else
#define BEGIN(now) 0
#define END(now) ((now)->it->kernel_rows)
#define ROW(now, y) ((now)->rows[y])
#define CONTINUES(now) 0
#endif
#if ROW_SUMS
#define SUM_SO_FAR(now, at, otherwise) ((now)->begin ? (now)->sums[at] : (otherwise))
#else
#define SUM_SO_FAR(now, at, otherwise) (otherwise)
#endif

/* From one row or column of a kernel to the next. */
#if DILATED
#define DILATION_Y(it) ((it)->dilation_y)
#define DILATION_X(it) ((it)->dilation_x)
#else
#define DILATION_Y(it) 1
#define DILATION_X(it) 1
#endif

#if WEIGHT_BITS == 8
#define BIAS(it, stored) (stored)
#else
#define BIAS(it, stored) ((stored) * ((int32_t)1 << (it)->bias_shift))
#endif

/* The row of a tensor; nothing beyond its edges. Only rows that are still kept are asked for. */
static const uint8_t *row_of(const state *now, unsigned which, int y)
{
    const tensor *it = &tensors[which];
    int at = (int)now->of[which].next - ((int)now->of[which].made - y);
    if (y < 0 || y >= it->height) {
        return 0;
    }
    if (at < 0) {
        at += it->ring;
    }
#if CROP && !DESKEW
    if (which == 0) {
        return now->picture + (uint32_t)at * MODEL_CHANNELS * MODEL_WIDTH; /* longer rows than those of tensor 0 */
    }
#endif
    return (which ? memory + it->place : now->picture) + (uint32_t)at * it->width * it->channels;
}

/* A sum in the units of what comes next, into the row being made or, from the last layer, into the scores: 0 where it is
 * negative; both shifts cut off, the bias has seen to rounding. Before the kernel's last row it is only kept. */
INLINE_IF_FAST static void store(const work *now, int at, int32_t sum, uint32_t multiplier)
{
    const uint32_t top = now->scores ? 65535 : 255;
    uint32_t result = 0;
#if ROW_SUMS
    if (now->end < now->it->kernel_rows) {
        now->sums[at] = sum;
        return;
    }
#endif
    if (sum > 0) {
        result = (((uint32_t)sum >> now->it->shift_before) * multiplier) >> now->it->shift_after;
        result = result < top ? result : top;
    }
    if (now->scores) {
        now->scores[at] = (int16_t)((int32_t)result - 32768);
    } else {
        now->to[at] = (uint8_t)result;
    }
}

#if FAST
/* Whether no row of the kernel lies outside the picture, nor has gaps. */
static int rows_are_whole(const work *now)
{
    int whole = DILATION_X(now->it) == 1;
    for (int y = BEGIN(now); y < END(now); y++) {
        whole &= ROW(now, y) != 0;
    }
    return whole;
}

/* Whether each sum becomes a byte of the row at once, by a last shift of so many bits or more. */
static int is_plain(const work *now, int least)
{
#if ROW_SUMS
    if (now->begin || now->end != now->it->kernel_rows) {
        return 0;
    }
#endif
    return !now->scores && now->it->shift_after >= least;
}

#if ADDS || !DSP
/* The byte that a sum becomes there, if the shift is 1 or more. */
INLINE_IF_FAST static uint8_t requantized(int32_t sum, uint32_t multiplier, int before, int after)
{
#if DSP
    const uint32_t result = (((uint32_t)(sum > 0 ? sum : 0) >> before) * multiplier) >> after;
    return (uint8_t)__usat((int32_t)result, 8);
#else
    uint32_t result = 0;
    if (sum > 0) {
        result = (((uint32_t)sum >> before) * multiplier) >> after;
        result = result < 255 ? result : 255;
    }
    return (uint8_t)result;
#endif
}
#endif

/* As store, for what is rare. */
NOINLINE static void store_rare(const work *now, int at, int32_t sum, uint32_t multiplier)
{
    store(now, at, sum, multiplier);
}
#endif
