// A network on an Arduino with an Arm, RISC-V or Xtensa processor. Send MODEL_PIXELS bytes, a picture, over the serial line;
// the answer comes back with the microseconds it took. An 8-bit AVR has too little memory for the tables.
//
// Open this folder in the Arduino IDE: model.h and model.c are compiled along with it.
#include "model.h"

static uint8_t picture[MODEL_PIXELS];
static int16_t scores[MODEL_CLASSES];

void setup() {
  Serial.begin(115200);
  Serial.setTimeout(2000);
}

void loop() {
  if (Serial.readBytes((char *)picture, sizeof picture) != sizeof picture) {
    return;  // nothing, or not all of a picture, within two seconds
  }
  unsigned long begun = micros();
  int found = model_read(picture, scores);
  unsigned long taken = micros() - begun;
  Serial.print(model_names[found]);
  Serial.print(", ");
  Serial.print(taken);
  Serial.println(" us");
}
