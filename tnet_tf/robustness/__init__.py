"""Robustness: common corruptions, adversarial attacks, and what they do to accuracy and gaze."""
