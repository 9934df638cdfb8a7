"""What `import featherweight as fw` offers, a file a verb: train, fit, load and use a model, summarise a network."""
