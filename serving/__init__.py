"""Keepwell: serving."""
