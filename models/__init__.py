"""What training and serving share: labels, text, windows, network, bundle, Tagger."""
