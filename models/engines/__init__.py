"""Engines run a bundle's network: token windows in, logits out."""
