/* Names what an ESP32-CAM sees, once a second. */
#include <stdio.h>

#include "freertos/FreeRTOS.h"
#include "freertos/task.h"

#include "model.h"
#include "model_frame.h"

#include "../camera.h"

void app_main(void)
{
    static uint8_t picture[MODEL_PIXELS];
    static int16_t scores[MODEL_CLASSES];
    if (!begin_camera()) {
        printf("The camera does not answer; see camera.h for its pins.\n");
        return;
    }
    for (;;) {
        camera_fb_t *seen = esp_camera_fb_get();
        if (seen) {
            const int width = (int)seen->width;
            if (model_frame(seen->buf, width, (int)seen->height, 2 * width, MODEL_RGB565_BE, picture)) {
                int found = model_read(picture, scores);
#ifdef MODEL_UNKNOWN
                found = model_known(scores);
#endif
                printf("%s\n", found < 0 ? "none of these" : model_names[found]);
            }
            esp_camera_fb_return(seen);
        }
        vTaskDelay(pdMS_TO_TICKS(1000));
    }
}
