"""From pictures as people have them to digits: reading, ink, segments, MNIST's manner, and a calibrated answer."""
