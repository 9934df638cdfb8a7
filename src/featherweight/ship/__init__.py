"""Networks that leave the notebook: exports to ONNX, C and a page, and reading pictures."""
