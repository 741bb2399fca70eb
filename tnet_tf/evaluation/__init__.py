"""Measures a trained network: accuracy, attention policy, cost, figures and reports."""
