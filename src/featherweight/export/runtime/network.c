/* Reads a picture with an integer convolutional network: C99, no floating point, no allocation, no library.
 *
 * A tensor is height x width x channels bytes, of which only the newest rows are kept, in a ring. Layer i makes the rows
 * of tensor i + 1 from those of tensor i, or of an earlier one where branches split: one row whenever the layer after it
 * needs one. The picture is tensor 0.
 *
 * A byte q stands for scale * (q - zero point), a weight w for its channel's scale * w. A sum of weights times bytes and
 * a bias becomes a byte of the next tensor by two shifts and a multiplication: see store.
 */
#include "model.h"

#include "tables.h"

#if defined(__GNUC__)
#define NOINLINE __attribute__((noinline)) /* each with all registers to itself */
#else
#define NOINLINE
#endif

/* With MODEL_FAST defined, the same sums by fewer instructions, for more flash and RAM; DSP: two products at a time. */
#if defined(__ARM_FEATURE_DSP) && defined(__GNUC__)
#define DSP 1
#else
#define DSP 0
#endif
#if defined(MODEL_FAST) && defined(__GNUC__) && (WEIGHT_BITS == 8 || (WEIGHT_BITS == 4 && DSP))
#define FAST 1
#define INLINE_IF_FAST __attribute__((always_inline)) inline
#else
#define FAST 0
#define INLINE_IF_FAST NOINLINE /* which takes the same cycles in every network */
#endif

#if DSP
#include "dsp.h"
#endif
#include "rows.h"
#include "convolve.h"
#if POOLS
#include "pool.h"
#endif
#if NORMS
#include "norm.h"
#endif
#if ADDS || CURVES
#include "elementwise.h"
#endif
#include "schedule.h"
#if DESKEW
#include "deskew.h"
#endif

int model_read(const uint8_t picture[MODEL_PIXELS], int16_t scores[MODEL_CLASSES])
{
    state now;
    unsigned turn = LAYERS - 1;
    int best = 0;
#if DESKEW
    now.picture = deskewed(picture);
#else
    now.picture = picture + MODEL_CHANNELS * CROP * (MODEL_WIDTH + 1);
#endif
    for (int i = 0; i <= LAYERS; i++) {
        now.of[i].made = 0;
        now.of[i].next = 0;
#if BY_ROWS
        now.of[i].taken = 0;
#endif
    }
    now.of[0].made = MODEL_HEIGHT - 2 * CROP; /* all of it; the next row of a whole ring goes to its beginning */
    while (now.of[LAYERS].made == 0) {
        turn = next_layer(&now, turn);
        make_row(&now, turn, scores);
    }
    for (int i = 1; i < MODEL_CLASSES; i++) {
        if (scores[i] > scores[best]) {
            best = i;
        }
    }
    return best;
}

#if DIGITS
#include "normalise.h"
#endif
