"""Our own ladder on CIFAR-10: which habits of MNIST carry over to photographs, in five steps."""
