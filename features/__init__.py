"""Keepwell: features."""
