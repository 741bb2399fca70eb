"""The learning rule: from outputs and labels to loss terms and rewards; sees no model."""
