"""Weights read from files: whose they are, how those name them, and what becomes of each."""
