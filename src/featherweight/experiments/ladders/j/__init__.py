"""The school's ninth exercise: no pools, but strides, dilated and depthwise convolutions, on CIFAR-10."""
