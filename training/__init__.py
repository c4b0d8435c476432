"""Data, fine-tuning, pretraining and evaluation; needs the `train` extra."""
