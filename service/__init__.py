"""The REST service; imports models, never training."""
