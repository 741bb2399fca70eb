"""The building blocks: grids of candidate locations, sampling, encodings, normalisation, noise."""
