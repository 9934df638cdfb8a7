// Classifies pictures whose scores are known, and prints PASS with the milliseconds they took, or FAIL with the picture.
#include <model.h>
#include <model_check.h>

void setup() {
  Serial.begin(115200);
}

void loop() {
  const unsigned long begun = micros();
  const int wrong = model_check();
  const unsigned long taken = micros() - begun;
  if (wrong) {
    Serial.print("FAIL: picture ");
    Serial.println(wrong);
  } else {
    Serial.print("PASS: ");
    Serial.print(MODEL_CHECKS);
    Serial.print(" pictures in ");
    Serial.print(taken / 1000.0);
    Serial.println(" ms");
  }
  delay(5000);
}
