"""The school's eighth exercise: three ways to normalise, compared on CIFAR-10."""
