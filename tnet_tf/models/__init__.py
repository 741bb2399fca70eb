"""The networks: backbones, TNet's modules, TNet, and the feed-forward baselines."""
