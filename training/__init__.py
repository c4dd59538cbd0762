"""Keepwell: training."""
