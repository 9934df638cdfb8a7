#include "model_check.h"

#include "model.h"

/* Pictures of the network's own test images, one after another. */
static const uint8_t pictures[MODEL_CHECKS * MODEL_PIXELS] = {
@PICTURES@
};

/* Their scores, as computed in Python's integers. */
static const int16_t expected[MODEL_CHECKS * MODEL_CLASSES] = {
@SCORES@
};

int model_check(void)
{
    static int16_t scores[MODEL_CLASSES];
    for (int i = 0; i < MODEL_CHECKS; i++) {
        model_read(pictures + (int32_t)i * MODEL_PIXELS, scores);
        for (int j = 0; j < MODEL_CLASSES; j++) {
            if (scores[j] != expected[i * MODEL_CLASSES + j]) {
                return i + 1;
            }
        }
    }
    return 0;
}
