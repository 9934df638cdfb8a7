/* Reads raw pictures, MODEL_PIXELS bytes each, from standard input and prints a line for each: class, then scores.
 *
 *     cc -std=c99 -O2 -I.. main.c ../model.c -o classify
 *     ./classify < pictures.raw
 */
#include <stdio.h>

#include "model.h"

int main(void)
{
    static uint8_t picture[MODEL_PIXELS];
    int16_t scores[MODEL_CLASSES];
    while (fread(picture, 1, sizeof picture, stdin) == sizeof picture) {
        const int found = model_read(picture, scores);
        printf("%s", model_names[found]);
        for (int i = 0; i < MODEL_CLASSES; i++) {
            printf(" %d", scores[i]);
        }
        printf("\n");
    }
    return 0;
}
