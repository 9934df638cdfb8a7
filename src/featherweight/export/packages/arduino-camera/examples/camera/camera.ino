// Names what an ESP32-CAM sees, once a second.
#include <model.h>
#include <model_frame.h>

#include "camera.h"

static uint8_t picture[MODEL_PIXELS];
static int16_t scores[MODEL_CLASSES];

void setup() {
  Serial.begin(115200);
  if (!begin_camera()) {
    Serial.println("The camera does not answer; see camera.h for its pins.");
  }
}

void loop() {
  camera_fb_t *seen = esp_camera_fb_get();
  if (seen) {
    if (model_frame(seen->buf, seen->width, seen->height, 2 * seen->width, MODEL_RGB565_BE, picture)) {
      int found = model_read(picture, scores);
#ifdef MODEL_UNKNOWN
      found = model_known(scores);
#endif
      Serial.println(found < 0 ? "none of these" : model_names[found]);
    }
    esp_camera_fb_return(seen);
  }
  delay(1000);
}
