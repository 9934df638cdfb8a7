"""Our own ladder on Fashion-MNIST: which habits of MNIST carry over, in exactly three steps."""
