/* The class by scores that model_read wrote, or MODEL_UNKNOWN where they do not look like those of any class: the greatest
 * is too little above their mean, or they are too far from what is typical of that class. */
#include "model.h"

#include "tables.h"

int model_known(const int16_t scores[MODEL_CLASSES])
{
    int32_t sum = 0; /* of the scores, which is their mean in units of a score by the number of classes */
    int best = 0;
    for (int i = 0; i < MODEL_CLASSES; i++) {
        sum += scores[i];
        if (scores[i] > scores[best]) {
            best = i;
        }
    }
    if (MODEL_CLASSES * (int32_t)scores[best] - sum < MODEL_THRESHOLD) {
        return MODEL_UNKNOWN;
    }
#if TYPICAL
    int32_t far = 0;
    for (int i = 0; i < MODEL_CLASSES; i++) {
        const int32_t apart = MODEL_CLASSES * (scores[i] - typical[best][i] * TYPICAL_UNIT) - sum;
        far += apart < 0 ? -apart : apart;
    }
    if (far > MODEL_FARTHEST) {
        return MODEL_UNKNOWN;
    }
#endif
    return best;
}
